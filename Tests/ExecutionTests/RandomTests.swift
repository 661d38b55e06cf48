import Testing

@testable import Execution
@testable import Simulation

struct RandomTests {
  /// `kat_vectors` of Random123, lines "philox4x32 10".
  @Test(
    "Philox gives the published words",
    arguments: [
      ([0, 0, 0, 0], [0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
      (
        [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff],
        [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
      ),
      (
        [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
      ),
    ] as [([UInt32], [UInt32], [UInt32])])
  func philoxVectors(counter: [UInt32], key: [UInt32], expected: [UInt32]) {
    let words = Philox.block(SIMD4(counter), key: SIMD2(key))
    #expect(words == SIMD4(expected))
  }

  @Test("Normal numbers have the moments of a normal distribution and no correlation")
  func normalMoments() {
    let count = 400_000
    let values = normals(seed: 5, image: 3, count: count)
    func mean(_ power: Int) -> Double {
      values.reduce(0) { sum, value in
        sum + (0..<power).reduce(1.0) { product, _ in product * value }
      } / Double(count)
    }
    // Five standard errors of each moment.
    let error = 5 / Double(count).squareRoot()
    #expect(abs(mean(1)) < error)
    #expect(abs(mean(2) - 1) < error * 2.0.squareRoot())
    #expect(abs(mean(3)) < error * 15.0.squareRoot())
    #expect(abs(mean(4) - 3) < error * 96.0.squareRoot())
    for lag in [1, 2, 3, 4] {
      let product = zip(values, values.dropFirst(lag)).reduce(0) { $0 + $1.0 * $1.1 }
      #expect(abs(product / Double(count)) < error, "lag \(lag)")
    }
  }

  @Test("Images, seeds and purposes have numbers of their own, the same every time")
  func streamsDiffer() {
    let first = normals(seed: 1, image: 0, count: 6)
    #expect(first == normals(seed: 1, image: 0, count: 6))
    #expect(first != normals(seed: 1, image: 1, count: 6))
    #expect(first != normals(seed: 1 << 32 + 1, image: 0, count: 6))
    let noise = RandomStream(seed: 1, image: 0, purpose: .noise).uniform(block: 0)
    let orientation = RandomStream(seed: 1, image: 0, purpose: .orientation).uniform(block: 0)
    #expect(noise != orientation)
  }

  @Test("A length that is not a multiple of four is filled to its end")
  func fillsTheRest() {
    let long = normals(seed: 9, image: 2, count: 12)
    #expect(normals(seed: 9, image: 2, count: 11) == Array(long.dropLast()))
  }

  private func normals(seed: UInt64, image: Int, count: Int) -> [Double] {
    var values = [Double](repeating: .nan, count: count)
    values.withUnsafeMutableBufferPointer {
      RandomStream(seed: seed, image: image, purpose: .noise).fillNormals($0)
    }
    return values
  }
}
