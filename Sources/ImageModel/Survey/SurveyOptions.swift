/// What the noise is taken for.
public enum NoiseChoice: String, Sendable, CaseIterable {
  /// Of a power that depends on the spatial frequency, as measured outside the particles; white where it is.
  case radial
  /// The same at all frequencies.
  case white
}

/// What the first looks at the images are told; see `ModelOptions` for what each value means.
public struct SurveyOptions: Sendable {
  /// sigma^2 of the noise of a pixel; measured if nil.
  public var noiseVariance: Double?
  /// What the noise is taken for.
  public var noise = NoiseChoice.radial
  /// Radius of support in pixels; chosen from the data if nil.
  public var radius: Double?
  /// Band limit in cycles per pixel; chosen from the data if nil.
  public var bandLimit: Double?
  /// Whether a bad particle is an error instead of being left out.
  public var isStrict = false
  /// Threads of each rank.
  public var threads = 1

  /// The defaults.
  public init() {}
}
