/// What the first pass over the images is told; see `ModelOptions` for what each value means.
public struct SurveyOptions: Sendable {
  /// sigma^2 of the white noise; measured if nil.
  public var noiseVariance: Double?
  /// Radius of support in pixels; chosen from the data if nil.
  public var radius: Double?
  /// Band limit in cycles per pixel; chosen from the data if nil.
  public var bandLimit: Double?
  /// Share of the signal that the radius and the band limit chosen from the data hold (method E.2).
  public var signalShare = 0.99
  /// Whether a bad particle is an error instead of being left out.
  public var isStrict = false
  /// Threads of each rank.
  public var threads = 1

  /// The defaults.
  public init() {}
}
