import Foundation

/// Reproducible numbers in -1...1, the same on every rank.
public func randomNumbers(_ count: Int, seed: UInt64) -> [Double] {
  var state = seed
  return (0..<count).map { _ in
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Double(Int64(bitPattern: state) >> 11) * 0x1p-52
  }
}

/// Reproducible standard normal numbers, the same on every rank (Box and Muller's transform).
public func randomNormals(_ count: Int, seed: UInt64) -> [Double] {
  var generator = SeededNumbers(seed: seed &* 0x2545_F491_4F6C_DD1D)
  var result: [Double] = []
  result.reserveCapacity(count + 1)
  while result.count < count {
    let radius = (-2 * log(generator.uniform())).squareRoot()
    let angle = 2 * Double.pi * generator.uniform()
    result.append(radius * cos(angle))
    result.append(radius * sin(angle))
  }
  return Array(result.prefix(count))
}

extension SeededNumbers {
  /// In 0 < u <= 1.
  fileprivate mutating func uniform() -> Double { Double(next() >> 11 &+ 1) * 0x1p-53 }
}
