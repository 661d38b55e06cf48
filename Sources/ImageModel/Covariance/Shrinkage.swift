import Foundation

/// How an eigenvalue of a noisy sample covariance is brought to that of the clean covariance
/// (method E.3; Donoho, Gavish, Johnstone 2018).
public enum Shrinkage: String, Sendable, CaseIterable {
  /// Optimal in Frobenius norm.
  case frobenius
  /// Optimal in operator norm: the eigenvalue of the spiked model, debiased.
  case `operator`

  /// The eigenvalue of the clean covariance that a sample eigenvalue `value` stands for; 0 for one that
  /// noise explains.
  /// - Parameters:
  ///   - value: eigenvalue of the sample covariance, noise included.
  ///   - noiseVariance: sigma^2.
  ///   - ratio: gamma, dimension over number of real samples.
  public func shrunk(_ value: Double, noiseVariance: Double, ratio: Double) -> Double {
    let y = value / noiseVariance
    let edge = 1 + ratio.squareRoot()
    if y <= edge * edge { return 0 }
    let b = y + 1 - ratio
    let l = (b + max(0, b * b - 4 * y).squareRoot()) / 2
    switch self {
    case .operator:
      return noiseVariance * (l - 1)
    case .frobenius:
      let spike = l - 1
      return noiseVariance * spike * (1 - ratio / (spike * spike)) / (1 + ratio / spike)
    }
  }
}
