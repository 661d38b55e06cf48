import Foundation
import ParticleIO
import TestSupport
import Testing

@testable import ImageModel

@Suite struct DefocusGroupsTests {
  @Test("Few distinct CTFs are groups of their own, by optics group and defocus")
  func exactGroups() {
    let defoci = [20_000.0, 10_000, 15_000]
    let particles = (0..<14).map { i in
      testParticle(testCTF(defocus: defoci[i % 3]), optics: Int32(i % 2))
    }
    let groups = DefocusGroups(of: particles, pixelSize: 3, limit: 6)
    #expect(groups.count == 6)
    #expect(groups.defoci == [10_000, 15_000, 20_000, 10_000, 15_000, 20_000])
    let number = [2, 0, 1]
    let expected: [Int32] = (0..<14).map { i in Int32(i % 2 * 3 + number[i % 3]) }
    #expect(groups.groupOfParticle == expected)
    let counts = (0..<6).map { g in expected.count { $0 == g } }
    #expect(groups.counts == counts)
    for xi in [0.0, 0.11, 0.37] {
      let value = testCTF(defocus: 15_000).value(kx: xi / 3, ky: 0)
      #expect(abs(groups.squaredCTF(group: 4, at: xi) - value * value) < 1e-12)
    }
  }

  @Test("An astigmatic CTF's square is averaged over the angle")
  func astigmatism() {
    let ctf = testCTF(defocus: 12_000, astigmatism: 1500, angle: 33)
    let groups = DefocusGroups(of: [testParticle(ctf)], pixelSize: 3, limit: 1)
    for xi in [0.05, 0.2, 0.4] {
      let values = (0..<720).map { step -> Double in
        let angle = Double(step) * .pi / 360
        let value = ctf.value(kx: xi / 3 * cos(angle), ky: xi / 3 * sin(angle))
        return value * value
      }
      let mean = values.reduce(0, +) / 720
      #expect(abs(groups.squaredCTF(group: 0, at: xi) - mean) < 1e-6)
    }
  }

  @Test("More CTFs than groups: bins of equal counts, optics groups apart")
  func bins() {
    let defoci = randomNumbers(1000, seed: 5).map { 20_000 + 8000 * $0 }
    let particles = defoci.enumerated().map { i, defocus in
      testParticle(testCTF(defocus: defocus), optics: i % 5 < 3 ? 0 : 1)
    }
    let groups = DefocusGroups(of: particles, pixelSize: 3, limit: 7)
    #expect(groups.count == 7)
    // 600 particles in 4 bins, 400 in 3.
    #expect(groups.counts == [150, 150, 150, 150, 133, 133, 134])
    var ranges = [(low: Double, high: Double)](repeating: (.infinity, 0), count: 7)
    for (i, group) in groups.groupOfParticle.enumerated() {
      let g = Int(group)
      #expect((g < 4) == (particles[i].opticsGroup == 0))
      ranges[g] = (min(ranges[g].low, defoci[i]), max(ranges[g].high, defoci[i]))
    }
    for g in [0, 1, 2, 4, 5] { #expect(ranges[g].high <= ranges[g + 1].low) }
    for g in 0..<7 {
      for xi in [0.1, 0.3] {
        let values = particles.indices.filter { groups.groupOfParticle[$0] == g }.map {
          let value = particles[$0].ctf.value(kx: 0, ky: xi / 3)
          return value * value
        }
        let mean = values.reduce(0, +) / Double(values.count)
        // Every second particle stands for the bin.
        #expect(abs(groups.squaredCTF(group: g, at: xi) - mean) < 0.02)
      }
    }
  }

  @Test("Each optics group has a group, however few are asked for")
  func fewerGroupsThanOptics() {
    let particles = (0..<9).map {
      testParticle(testCTF(defocus: 10_000 + 100 * Double($0)), optics: Int32($0 % 3))
    }
    let groups = DefocusGroups(of: particles, pixelSize: 3, limit: 1)
    #expect(groups.counts == [3, 3, 3])
    #expect(groups.groupOfParticle == (0..<9).map { Int32($0 % 3) })
  }
}
