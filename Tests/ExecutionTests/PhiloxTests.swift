import Foundation
import Testing

@testable import Execution
@testable import Simulation

@Suite struct PhiloxTests {
  /// Made with `philox4x32_R(10, ...)` of Random123 1.14.0 (`Random123/philox.h`; Salmon et al. 2011), which
  /// also gives the words of its `kat_vectors`. One bit is set in each word in turn, so that none can be taken for
  /// another.
  @Test(
    "Words of the counter and of the key are those of Random123",
    arguments: [
      ([1, 0, 0, 0], [0, 0], [0xf8e4_cca4, 0x5cb2_00db, 0xb1a5_74eb, 0x097e_ff67]),
      ([0, 1, 0, 0], [0, 0], [0x6ad0_c5ec, 0xea23_6249, 0x73a4_59f5, 0x0749_44b3]),
      ([0, 0, 1, 0], [0, 0], [0x8445_15e1, 0xf08d_6eaa, 0x0f19_c053, 0x83f8_75f0]),
      ([0, 0, 0, 1], [0, 0], [0x2dce_73e5, 0x1348_e23f, 0xfcf8_e0ec, 0xa287_aadb]),
      ([0, 0, 0, 0], [1, 0], [0xe3e8_0670, 0xe50a_0ebc, 0x95f2_22c0, 0xb615_aa27]),
      ([0, 0, 0, 0], [0, 1], [0xfdde_3e0b, 0xfa7e_58b6, 0x3380_ec46, 0xd8d5_5c4f]),
    ] as [([UInt32], [UInt32], [UInt32])])
  func words(counter: [UInt32], key: [UInt32], expected: [UInt32]) {
    #expect(Philox.block(SIMD4(counter), key: SIMD2(key)) == SIMD4(expected))
  }

  /// Random123's words for the counter (block, purpose, image's low and high half) and the seed's halves, low first.
  @Test("A stream's numbers are those of its image, its purpose and its seed")
  func streams() {
    let noise = RandomStream(seed: 0x0123_4567_dead_beef, image: 0x1_2345_6789, purpose: .noise)
    let words: [UInt32] = [0x66ac_5514, 0xaa55_9b5e, 0xe0fd_7547, 0x992e_73e0]
    let uniform = noise.uniform(block: 2)
    for (i, word) in words.enumerated() {
      #expect(uniform[i] == (Double(word) + 0.5) / 4_294_967_296)
    }
    let other = RandomStream(seed: 0x1234_5678_9abc_def0, image: 3, purpose: .noise)
    #expect(other.uniform(block: 5).x == (Double(0x43ba_b672 as UInt32) + 0.5) / 4_294_967_296)
  }

  @Test("A purpose's, an image's and a seed's numbers are uncorrelated with others")
  func independence() {
    let count = 50_000
    func uniforms(seed: UInt64, image: Int, _ purpose: RandomStream.Purpose) -> [Double] {
      let stream = RandomStream(seed: seed, image: image, purpose: purpose)
      return (0..<count / 4).flatMap { block -> [Double] in
        let u = stream.uniform(block: block)
        return (0..<4).map { u[$0] - 0.5 }
      }
    }
    let one = uniforms(seed: 1, image: 0, .noise)
    let error = 5 / Double(count).squareRoot()
    #expect(abs(one.reduce(0, +) / Double(count)) < error / 12.0.squareRoot())
    let square = one.reduce(0) { $0 + $1 * $1 } / Double(count)
    #expect(abs(square - 1.0 / 12) < error / 180.0.squareRoot())
    for other in [
      uniforms(seed: 1, image: 1, .noise), uniforms(seed: 2, image: 0, .noise),
      uniforms(seed: 1, image: 0, .orientation), uniforms(seed: 1, image: 1 << 32, .noise),
    ] {
      let product = zip(one, other).reduce(0) { $0 + $1.0 * $1.1 } / Double(count)
      #expect(abs(product) < error / 12)
    }
  }

  @Test("Blocks of normal numbers are the same in any order")
  func order() {
    let stream = RandomStream(seed: 8, image: 12, purpose: .noise)
    var values = [Double](repeating: .nan, count: 40)
    values.withUnsafeMutableBufferPointer { stream.fillNormals($0) }
    for block in [9, 0, 4] {
      let normals = stream.normals(block: block)
      #expect((0..<4).map { normals[$0] } == Array(values[4 * block..<4 * block + 4]))
    }
  }

  @Test("Normal numbers are those of Box and Muller's transform of the stream's uniform ones")
  func boxMuller() {
    let stream = RandomStream(seed: 8, image: 12, purpose: .noise)
    for block in 0..<20 {
      let (u, n) = (stream.uniform(block: block), stream.normals(block: block))
      for (x, y, first, second) in [(n.x, n.y, u.x, u.y), (n.z, n.w, u.z, u.w)] {
        #expect(abs(exp(-(x * x + y * y) / 2) - first) < 1e-12)
        let turns = atan2(y, x) / (2 * .pi)
        #expect(abs((turns < 0 ? turns + 1 : turns) - second) < 1e-12)
      }
    }
  }
}
