/// Why no model of the clean images can be fitted, or one is of no use.
public enum ModelError: Error, Equatable, Sendable {
  /// What components are needed for.
  public enum Use: Equatable, Sendable {
    /// To compare two images.
    case pairs
    /// To make rotationally invariant features.
    case invariants
  }

  /// No function of the basis fits the radius (pixels) and the band limit (cycles per pixel).
  case emptyBasis(radius: Double, bandLimit: Double)
  /// Nothing rises above noise of this variance.
  case noSignal(noiseVariance: Double)
  /// What rises above noise of this variance are components too few to go on with.
  case tooFewComponents(Int, noiseVariance: Double, for: Use)
}
