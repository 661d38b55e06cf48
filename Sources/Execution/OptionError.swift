/// What a run's options may not be.
public enum OptionError: Error, Equatable, Sendable {
  /// What values an option may have.
  public enum Values: Equatable, Sendable {
    /// Whole numbers from this one on.
    case atLeast(Int)
    /// Numbers from 0 on, but not infinity.
    case fromZero
    /// Numbers above 0, but not infinity.
    case aboveZero
    /// Numbers from 0 to 1.
    case zeroToOne
  }

  /// An option's value is not one of those it may have.
  case outOfRange(OptionName, found: String, needed: Values)
  /// More ranks than images.
  case tooManyRanks(Int, images: Int)
  /// A number of neighbours for each image that is not less than the number of images.
  case tooManyNeighbours(OptionName, found: Int, images: Int)
  /// Fewer than the neighbours that are to be found among them.
  case tooFewForNeighbours(OptionName, found: Int, neighbours: Int)
  /// A value that goes only with what the Bayes factor gives: probabilities, or passes among classes.
  case needsBayesFactor(OptionName, found: String)
  /// The value of the first option does not go with that of the second.
  case conflict(OptionName, OptionName)
}

/// - Parameters:
///   - isInRange: written so that NaN fails as well.
///   - option: whose value it is.
///   - value: what was found.
///   - needed: what is told of the range.
/// - Throws: `OptionError.outOfRange` unless `isInRange`.
package func require<Value>(
  _ isInRange: Bool, _ option: OptionName, _ value: Value, _ needed: OptionError.Values
) throws(OptionError) {
  if !isInRange { throw .outOfRange(option, found: "\(value)", needed: needed) }
}
