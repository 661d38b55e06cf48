import Foundation
import Testing

@testable import Execution

@Suite struct NormalNumbersTests {
  private let images = 500
  private let count = 200

  /// All numbers of a seed, image by image, both of each pair.
  private func numbers(seed: UInt64) -> [Double] {
    (0..<images).flatMap { image in
      let normals = NormalNumbers(seed: seed, image: image, count: count)
      return (0..<count).flatMap { [normals.pair($0).0, normals.pair($0).1] }
    }
  }

  private func mean(_ values: some Sequence<Double>) -> Double {
    values.reduce(0, +) / Double(2 * images * count)
  }

  /// Five standard errors of a mean of variance 1.
  private var error: Double { 5 / Double(2 * images * count).squareRoot() }

  @Test("The numbers are distributed normally")
  func distribution() {
    let values = numbers(seed: 7)
    #expect(abs(mean(values)) < error)
    #expect(abs(mean(values.map { $0 * $0 }) - 1) < error * 2.0.squareRoot())
    #expect(abs(mean(values.map { $0 * $0 * $0 })) < error * 15.0.squareRoot())
    #expect(abs(mean(values.map { pow($0, 4) }) - 3) < error * 96.0.squareRoot())
    let n = Double(values.count)
    let distance = values.sorted().enumerated().map {
      abs(Double($0) / n - erfc(-$1 / 2.0.squareRoot()) / 2)
    }.max()!
    // Kolmogorov and Smirnov; 2 is exceeded once in 1500 times, and the seed is fixed.
    #expect(distance * n.squareRoot() < 2)
  }

  @Test("The numbers of a pair, of pairs, images and seeds are independent")
  func independence() {
    let values = numbers(seed: 7)
    // 1: within a pair and from one to the next; 2 count: from image to image.
    for lag in [1, 2, 3, 2 * count] {
      let shifted = values.dropFirst(lag)
      #expect(abs(mean(zip(values, shifted).map { $0 * $1 })) < error, "lag \(lag)")
      let squares = zip(values, shifted).map { ($0 * $0 - 1) * ($1 * $1 - 1) }
      #expect(abs(mean(squares)) < 2 * error, "squares, lag \(lag)")
    }
    for seed in [8, ~7] as [UInt64] {
      let other = numbers(seed: seed)
      #expect(abs(mean(zip(values, other).map { $0 * $1 })) < error, "seed \(seed)")
    }
    // None is used twice.
    #expect(Set(values).count == values.count)
  }

  @Test("The numbers of an image do not depend on the images before it")
  func order() {
    let all = numbers(seed: 7)
    for image in [499, 0, 250] {
      let normals = NormalNumbers(seed: 7, image: image, count: count)
      for i in [199, 0, 7] {
        let at = 2 * (image * count + i)
        #expect(normals.pair(i) == (all[at], all[at + 1]))
      }
    }
  }

  /// Both numbers of a pair by the uniform ones: its radius by the first, its angle by the second.
  @Test("A pair is Box and Muller's of two uniform numbers")
  func boxMuller() {
    let normals = NormalNumbers(seed: 3, image: 6, count: 5)
    for i in 0..<5 {
      let (x, y) = normals.pair(i)
      let first = CounterRandom.uniform(seed: 3, counter: UInt64(2 * (6 * 5 + i)))
      let second = CounterRandom.uniform(seed: 3, counter: UInt64(2 * (6 * 5 + i) + 1))
      #expect(abs(exp(-(x * x + y * y) / 2) - first) < 1e-12)
      let turns = atan2(y, x) / (2 * .pi)
      #expect(abs((turns < 0 ? turns + 1 : turns) - second) < 1e-12)
    }
  }
}
