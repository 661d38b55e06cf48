import ImageModel

/// The affinity of a pair, and its best alignment.
public struct PairScore: BitwiseCopyable, Sendable {
  /// The affinity at the best rotation, of the second image as it is or reflected.
  public var affinity: Float
  /// What aligns the second image to the first.
  public var alignment: Alignment

  /// The same pair seen from the other image.
  var inverse: PairScore { PairScore(affinity: affinity, alignment: alignment.inverse) }
}
