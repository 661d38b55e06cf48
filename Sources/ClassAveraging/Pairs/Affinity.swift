import ImageModel

/// How two images' posteriors are compared (method E.5).
public enum Affinity: String, Sendable, CaseIterable {
  /// The log density of x_i - R x_j at 0 (paper eq. 14).
  case mahalanobis
  /// The log Bayes factor of both images showing the same clean image.
  case bayes
  /// The correlation of the denoised images: the baseline that ignores how uncertain each
  /// component is.
  case euclidean

  /// Whether it compares denoised images in place of the statistics.
  var comparesDenoisedImages: Bool { self == .euclidean }
  /// Whether classes are compared by it as well, in passes after the first, and neighbours have probabilities.
  public var comparesClasses: Bool { self == .bayes }

  /// What it makes of one block of images of two groups. A new affinity is a case here and its form.
  /// - Parameter correlation: how alike neighbours are (`PairModel`).
  /// - Throws: `LAPACKError` where a matrix cannot be factored.
  func form(_ first: GroupPosterior, _ second: GroupPosterior, correlation: Double) throws
    -> BlockForm
  {
    switch self {
    case .mahalanobis: try .mahalanobis(first, second)
    case .bayes: try .bayesFactor(first, second, correlation: correlation)
    case .euclidean: .euclidean(order: first.f.rows)
    }
  }
}
