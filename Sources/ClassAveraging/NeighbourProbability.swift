import Foundation

/// From what a pair's classes let expect to the probability that its clean images, best aligned, correlate
/// above 0.9.
///
/// Two steps. The expected distance d = 1 - correlation is linear in the features of a pair; its
/// coefficients are those under which it fits best what the held-out information of a rehearsal says
/// (`NeighbourCalibration`), so they follow the map, the noise and the number of images. Then the
/// distances about their expectation have a shape that hardly depends on the map:
///
///     logit p = c0 - c1 l + c2 r + c3 l r,   l = log(d / 0.1),   r = log(v)
///
/// with v the part of the clean images' energy that differs from one to the other: where images have much
/// in common, even false neighbours are not far off, and distances vary less. The four constants come from
/// a logistic fit to 50 runs on simulated sets: 11 maps, SNR 1/20 to 1/200, 2,000 to 12,000 images.
struct NeighbourProbability {
  /// The distance that is expected of the pairs by themselves, u = 1 - `correlation`, is corrected by
  /// a . (1, u - mean u, t - 1/2, w - mean w), t the place in the list, 0 to 1, w the mean of u in it.
  let coefficients: [Double]
  /// The mean of u and of w.
  let meanDistance: Double
  /// v.
  let variableEnergy: Double

  /// c0 to c3.
  private static let shape = [0.5114, 1.5164, 0.3248, 1.5631]
  /// No pair is expected to be nearer.
  private static let leastDistance = 0.005
  /// How far each coefficient is likely to be from 0 before anything is observed: a set that is too
  /// small to say keeps the classes' own expectation.
  private static let spreads = [0.2, 0.5, 0.05, 0.5]

  /// What multiplies the coefficients, of a pair in a list of `length`.
  /// - Parameters:
  ///   - listDistance: the mean of u in the list.
  static func regressors(
    distance: Double, place: Int, length: Int, listDistance: Double, meanDistance: Double
  ) -> [Double] {
    [
      1, distance - meanDistance, (Double(place) + 0.5) / Double(length) - 0.5,
      listDistance - meanDistance,
    ]
  }

  /// The most probable coefficients: linear regression with a normal prior.
  /// - Parameters:
  ///   - moments: sums over the pairs of x_a x_b (upper triangle by rows), x_a y, y and y^2, with x the
  ///     regressors and y the observed distance less the expected.
  ///   - pairs: how many.
  init(moments: [Double], pairs: Int, meanDistance: Double, variableEnergy: Double) {
    let n = Double(max(1, pairs))
    let mean = moments[14] / n
    let noise = max(moments[15] / n - mean * mean, 1e-6)
    var matrix = [[Double]](repeating: [Double](repeating: 0, count: 5), count: 4)
    var at = 0
    for i in 0..<4 {
      for j in i..<4 {
        (matrix[i][j], matrix[j][i]) = (moments[at] / noise, moments[at] / noise)
        at += 1
      }
      matrix[i][i] += 1 / (Self.spreads[i] * Self.spreads[i])
      matrix[i][4] = moments[10 + i] / noise
    }
    // Positive definite: no pivots are needed.
    for i in 0..<4 {
      for row in 0..<4 where row != i {
        let factor = matrix[row][i] / matrix[i][i]
        for column in i..<5 { matrix[row][column] -= factor * matrix[i][column] }
      }
    }
    self.init(
      coefficients: (0..<4).map { matrix[$0][4] / matrix[$0][$0] }, meanDistance: meanDistance,
      variableEnergy: variableEnergy)
  }

  init(coefficients: [Double], meanDistance: Double, variableEnergy: Double) {
    self.coefficients = coefficients
    self.meanDistance = meanDistance
    self.variableEnergy = variableEnergy
  }

  /// p of a pair.
  func callAsFunction(distance: Double, place: Int, length: Int, listDistance: Double) -> Double {
    let regressors = Self.regressors(
      distance: distance, place: place, length: length, listDistance: listDistance,
      meanDistance: meanDistance)
    let expected = distance + zip(coefficients, regressors).reduce(0) { $0 + $1.0 * $1.1 }
    return Self.probability(expectedDistance: expected, variableEnergy: variableEnergy)
  }

  /// p of pairs whose distance is expected to be d, 0 to 1.
  static func probability(expectedDistance d: Double, variableEnergy v: Double) -> Double {
    let l = log(min(max(d, leastDistance), 2) / 0.1)
    let r = log(min(max(v, 0.02), 1))
    let logit = shape[0] - shape[1] * l + shape[2] * r + shape[3] * l * r
    return 1 / (1 + exp(-logit))
  }
}
