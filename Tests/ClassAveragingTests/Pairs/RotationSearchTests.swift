import Foundation
import TestSupport
import Testing

@testable import ClassAveraging
@testable import ImageModel

@Suite struct RotationSearchTests {
  /// c_k of 16 pairs as they are and reflected.
  private struct Spectra {
    let frequencies: [Int]
    /// [part][block][lane]: parts are as it is and reflected.
    var values: [[[SIMD2<Float>]]]

    init(_ frequencies: [Int], seed: UInt64) {
      self.frequencies = frequencies
      let numbers = randomNormals(4 * 16 * frequencies.count, seed: seed)
      values = (0..<2).map { part in
        frequencies.indices.map { block in
          (0..<16).map { lane in
            let at = 2 * ((part * frequencies.count + block) * 16 + lane)
            return SIMD2(Float(numbers[at]), Float(numbers[at + 1]))
          }
        }
      }
    }

    var search: RotationSearch {
      let search = RotationSearch(
        layout: AngularLayout(
          frequencies: frequencies, counts: .init(repeating: 1, count: frequencies.count)))
      for block in frequencies.indices {
        func lanes(_ part: Int) -> (SIMD16<Float>, SIMD16<Float>) {
          (SIMD16(values[part][block].map(\.x)), SIMD16(values[part][block].map(\.y)))
        }
        search.set(block: block, lanes(0), reflected: lanes(1))
      }
      return search
    }

    /// The sum at an angle.
    func sum(_ part: Int, lane: Int, at angle: Double) -> Double {
      frequencies.indices.reduce(0) { sum, block in
        let (c, k) = (values[part][block][lane], Double(frequencies[block]))
        return sum + Double(c.x) * cos(k * angle) - Double(c.y) * sin(k * angle)
      }
    }

    /// The largest sum over a fine grid of angles.
    func maximum(_ part: Int, lane: Int) -> Double {
      // By the cosines of one turn.
      let circle = Self.circle
      let n = circle.count
      var largest = -Double.infinity
      for t in 0..<n {
        var sum = 0.0
        for (block, k) in frequencies.enumerated() {
          let (c, at) = (values[part][block][lane], k * t % n)
          sum += Double(c.x) * circle[at] + Double(c.y) * circle[(at + n / 4) % n]
        }
        largest = max(largest, sum)
      }
      return largest
    }

    /// By how much a sum may exceed the grid's: its curvature over half a step.
    func gain(lane: Int) -> Double {
      let halfStep = Double.pi / Double(Self.circle.count)
      return (0..<2).map { part in
        frequencies.indices.reduce(0) { sum, block in
          let (c, k) = (SIMD2<Double>(values[part][block][lane]), Double(frequencies[block]))
          return sum + k * k * (c * c).sum().squareRoot()
        }
      }.max()! * halfStep * halfStep / 2 + 1e-5
    }

    private static let circle = (0..<4000).map { cos(2 * .pi * Double($0) / 4000) }
  }

  @Test(
    "The best rotation is that of the direct sum",
    arguments: [
      [0, 1, 2, 3, 5, 8], [1], [2, 3], Array(0...12), [0, 4, 9, 31], [0], Array(0...31),
    ], 1...3)
  func agreesWithTheDirectSum(frequencies: [Int], seed: Int) {
    let spectra = Spectra(frequencies, seed: UInt64(seed))
    let search = spectra.search
    let offsets = SIMD16<Float>((0..<16).map { Float($0) - 7 })
    let free = search.best(of: 16, offsets: offsets)
    for fixed in [nil, false, true] as [Bool?] {
      let found = search.best(of: 16, offsets: offsets, onlyReflected: fixed)
      #expect(found.count == 16)
      for (lane, score) in found.enumerated() {
        let best = (0..<2).map { spectra.maximum($0, lane: lane) }
        let expected = fixed.map { best[$0 ? 1 : 0] } ?? best.max()!
        let affinity = Double(score.affinity) - Double(offsets[lane])
        #expect(
          affinity > expected - 1e-5 && affinity < expected + spectra.gain(lane: lane),
          "lane \(lane): \(affinity - expected) of \(expected)")
        // What is reported is where that is.
        if let fixed { #expect(score.alignment.isReflected == fixed) }
        let there = spectra.sum(
          score.alignment.isReflected ? 1 : 0, lane: lane, at: Double(score.alignment.rotation))
        #expect(abs(there - affinity) < 1e-5)
        #expect(abs(score.alignment.rotation) <= Float.pi)
      }
    }
    // Both reflections win somewhere.
    #expect(Set(free.map(\.alignment.isReflected)) == [false, true])
  }

  /// c_k = a_k e^{-ik angle} with positive a_k: all terms are largest at the angle.
  @Test("An alignment that is put in is found", arguments: [0, 1])
  func knownAlignment(part: Int) {
    var spectra = Spectra([0, 1, 2, 4, 7], seed: 5)
    let angles = (0..<16).map { 2 * Double.pi * (Double($0) + 0.37) / 16 - .pi }
    for lane in 0..<16 {
      for (block, k) in spectra.frequencies.enumerated() {
        let (a, turn) = (1 / Double(1 + k), Double(k) * angles[lane])
        spectra.values[part][block][lane] = SIMD2(Float(a * cos(turn)), Float(-a * sin(turn)))
        spectra.values[1 - part][block][lane] /= 100
      }
    }
    for (lane, score) in spectra.search.best(of: 16, offsets: .zero).enumerated() {
      #expect(score.alignment.isReflected == (part == 1))
      #expect(abs(Double(score.alignment.rotation) - angles[lane]) < 1e-4)
      #expect(abs(score.affinity - (1 + 1.0 / 2 + 1.0 / 3 + 1.0 / 5 + 1.0 / 8)) < 1e-5)
    }
  }

  @Test("Pairs side by side do not touch each other, nor those before them")
  func lanes() {
    let spectra = Spectra([0, 1, 2, 3], seed: 6)
    let all = spectra.search.best(of: 16, offsets: .zero)
    var alone = Spectra([0, 1, 2, 3], seed: 7)
    let search = alone.search
    _ = search.best(of: 16, offsets: .zero)
    for part in 0..<2 {
      for block in 0..<4 { alone.values[part][block][2] = spectra.values[part][block][2] }
    }
    for block in 0..<4 {
      func lanes(_ part: Int) -> (SIMD16<Float>, SIMD16<Float>) {
        (SIMD16(alone.values[part][block].map(\.x)), SIMD16(alone.values[part][block].map(\.y)))
      }
      search.set(block: block, lanes(0), reflected: lanes(1))
    }
    let three = search.best(of: 3, offsets: .zero)
    #expect(three.count == 3)
    #expect(three[2].affinity == all[2].affinity && three[2].alignment == all[2].alignment)
    #expect(three[1].affinity != all[1].affinity)
  }
}
