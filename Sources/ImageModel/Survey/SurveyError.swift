import ParticleIO

/// Why the images cannot be used, or not with these options.
public enum SurveyError: Error, Sendable {
  /// The particle radius in pixels is not from 2 to half the box.
  case radius(Double, halfBox: Double)
  /// The band limit in cycles per pixel is not above 0 and at most 1/2.
  case bandLimit(Double)
  /// Bad particles, where none may be left out: the first, how many there are, and of how many.
  case badParticles(first: InputError, count: Int, of: Int)
  /// The variance of the noise, as given or measured, is not above 0.
  case noNoise(variance: Double)
}
