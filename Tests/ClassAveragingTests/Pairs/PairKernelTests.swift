import Foundation
import TestSupport
import Testing

@testable import ClassAveraging
@testable import ImageModel

/// The all-pairs kernel with frequencies up to the grid's limit, where a peak may lie well above the
/// grid's values.
@Suite struct PairKernelTests {
  private let layout = AngularLayout(
    frequencies: [0, 1, 2, 3, 5, 8, 13, 14, 21], counts: [3, 2, 2, 1, 4, 1, 2, 1, 5])

  /// Four first rows and 16 second images, and what the kernel makes of row `row`.
  private func run(row: Int, seed: UInt64, _ body: (Case) throws -> Void) rethrows {
    let width = 2 * layout.componentCount
    let first = randomNormals(4 * width, seed: seed).map { Float($0) }
    let numbers = randomNormals(16 * width, seed: seed + 1).map { Float($0) }
    var second = [SIMD16<Float>](repeating: .zero, count: width)
    for i in 0..<width { for lane in 0..<16 { second[i][lane] = numbers[lane * width + i] } }
    let kernel = PairKernel(layout: layout)
    let products = UnsafeMutablePointer<SIMD16<Float>>.allocate(
      capacity: 4 * kernel.productLength)
    let grid = UnsafeMutablePointer<SIMD16<Float>>.allocate(capacity: 2 * kernel.angles)
    defer {
      products.deallocate()
      grid.deallocate()
    }
    kernel.multiply(first: first, stride: width, second: second, products: products)
    let extremes = kernel.synthesize(
      products: products + row * kernel.productLength, grid: grid)
    try body(
      Case(
        kernel: kernel, grid: grid, extremes: extremes,
        first: Array(first[row * width..<(row + 1) * width]),
        second: (0..<16).map { Array(numbers[$0 * width..<($0 + 1) * width]) }))
  }

  private struct Case {
    let kernel: PairKernel
    let grid: UnsafeMutablePointer<SIMD16<Float>>
    let extremes: (largest: SIMD16<Float>, smallest: SIMD16<Float>)
    let first: [Float]
    let second: [[Float]]
  }

  /// sum over k of Re e^{ik theta} w_k^H b_k, b conjugated where reflected.
  private func sum(_ w: [Float], _ b: [Float], _ theta: Double, reflected: Bool) -> Double {
    var total = 0.0
    for (block, k) in layout.frequencies.enumerated() {
      for component in layout.components(ofBlock: block) {
        let (a, c) = (Double(w[2 * component]), Double(b[2 * component]))
        let d = Double(b[2 * component + 1]) * (reflected ? -1 : 1)
        let (re, im) = (
          a * c + Double(w[2 * component + 1]) * d, a * d - Double(w[2 * component + 1]) * c
        )
        total += re * cos(Double(k) * theta) - im * sin(Double(k) * theta)
      }
    }
    return total
  }

  @Test("every angle of the grid, both reflections, against the direct sum", arguments: 0..<4)
  func grid(row: Int) {
    run(row: row, seed: 40) { result in
      let n = result.kernel.angles
      #expect(n % 16 == 0 && n > 3 * 21)
      for lane in [0, 5, 15] {
        for t in 0..<n {
          let theta = (Double(t) + 0.5) * 2 * .pi / Double(n)
          for (part, reflected) in [false, true].enumerated() {
            let exact = sum(result.first, result.second[lane], theta, reflected: reflected)
            #expect(abs(Double(result.grid[part * n + t][lane]) - exact) < 2e-4)
          }
        }
      }
    }
  }

  @Test("no peak exceeds the bound by which pairs are left out")
  func bound() {
    var closest = Float.infinity
    for seed in 100..<140 {
      run(row: 1, seed: UInt64(seed)) { result in
        let n = result.kernel.angles
        let (value, reflected) = result.kernel.peaks(of: result.grid)
        for lane in 0..<16 {
          let best = (0..<2 * n).map { result.grid[$0][lane] }
          let largest = best.max()!
          #expect(result.extremes.largest[lane] == largest)
          #expect(result.extremes.smallest[lane] == best.min()!)
          #expect(reflected[lane] == (best.firstIndex(of: largest)! >= n) || value[lane] > largest)
          // The peak that a parabola gives lies above the grid, within an eighth of the range.
          #expect(value[lane] >= largest)
          let room = (largest - best.min()!) * PairKernel.peakMargin
          #expect(value[lane] - largest <= room)
          closest = min(closest, (room - (value[lane] - largest)) / room)
        }
      }
    }
    // The bound is not idle: some peak uses a good part of it.
    #expect(closest < 0.8)
  }
}
