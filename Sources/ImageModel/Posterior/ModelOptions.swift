import Execution

/// How the clean images are modelled: options that `average` and `denoise` share.
public struct ModelOptions: Sendable {
  /// At most so many defocus groups; more distinct CTFs are binned.
  public var defocusGroups = 20
  /// sigma^2 of the noise of a pixel; estimated from the pixels outside the particle radius if nil.
  public var noiseVariance: Double?
  /// Radius of support in pixels; chosen from the data if nil.
  public var radius: Double?
  /// Band limit in cycles per pixel, at most 1/2; chosen from the data if nil.
  public var bandLimit: Double?
  /// What the noise is taken for.
  public var noise = SurveyOptions().noise
  /// How the eigenvalues of the covariance are freed from noise.
  public var shrinkage = Shrinkage.frobenius
  /// Particles lie at most so far from the centres of their boxes, in pixels: a tenth of the box if nil; 0 where they
  /// are not looked for.
  public var largestShift: Double?
  /// Whether particles that are darker than their surroundings stay so in averages.
  public var keepsContrast = false
  /// Whether a bad particle is an error instead of being left out.
  public var isStrict = false
  /// Threads of each rank.
  public var threads = 1

  /// The defaults.
  public init() {}

  /// All that needs no images to be known.
  /// - Throws: `OptionError` where a value is out of range.
  public func validate() throws {
    try require(defocusGroups >= 1, .defocusGroups, defocusGroups, .atLeast(1))
    try require(threads >= 1, .threads, threads, .atLeast(1))
    if let noiseVariance {
      try require(
        noiseVariance > 0 && noiseVariance.isFinite, .noiseVariance, noiseVariance, .aboveZero)
    }
  }

  /// What of it the survey is told.
  public var survey: SurveyOptions {
    var survey = SurveyOptions()
    survey.noiseVariance = noiseVariance
    survey.radius = radius
    survey.bandLimit = bandLimit
    survey.noise = noise
    survey.isStrict = isStrict
    survey.threads = threads
    return survey
  }
}
