/// Why a particle is left out of a run.
public enum ParticleDefect: Int, Sendable {
  /// A pixel is not a number or infinite.
  case notFinite = 1
  /// All pixels are equal.
  case constant = 2
  /// Many pixels are further from the background than noise explains.
  case tooManyOutliers = 3

  /// In words, for messages.
  public var description: String {
    switch self {
    case .notFinite: "NaN or infinite pixels"
    case .constant: "all pixels are equal"
    case .tooManyOutliers: "many pixels are far brighter or darker than noise"
    }
  }
}
