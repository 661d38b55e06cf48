import Foundation

/// Two independent standard normal numbers of two that are uniform in (0, 1) (Box and Muller 1958).
package func normalPair(_ u: Double, _ v: Double) -> (Double, Double) {
  let radius = (-2 * log(u)).squareRoot()
  let angle = 2 * Double.pi * v
  return (radius * cos(angle), radius * sin(angle))
}

extension CounterRandom {
  /// The pair of independent standard normal numbers with this index: of the uniform numbers 2 i and 2 i + 1.
  package static func normals(seed: UInt64, index: Int) -> (Double, Double) {
    let counter = UInt64(index) * 2
    return normalPair(
      uniform(seed: seed, counter: counter), uniform(seed: seed, counter: counter + 1))
  }
}

/// Pairs of independent standard normal numbers of one image.
package struct NormalNumbers {
  private let numbers: [(Double, Double)]

  package init(seed: UInt64, image: Int, count: Int) {
    numbers = (0..<count).map { CounterRandom.normals(seed: seed, index: image * count + $0) }
  }

  package func pair(_ i: Int) -> (Double, Double) { numbers[i] }
}
