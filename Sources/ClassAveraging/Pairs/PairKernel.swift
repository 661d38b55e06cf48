import Foundation
import ImageModel
import LinearAlgebra

/// The heart of the all-pairs search: four images with sixteen, both reflections, all rotations on a grid.
///
/// First come the four real products per angular frequency, sums over the frequency's components of
/// ac, bd, ad, bc for the first image's weighted coefficients a + ib and the second's c + id. With
/// c_k = w^H b = (ac + bd) + i (ad - bc), and ad, bc, bd of opposite sign for the reflected second image,
///
///     D(theta)  = sum_k Re c_k  e^{ik theta} = (X - Y) + (U + V)      X = sum ac cos, Y = sum ad sin
///     M(-theta) = sum_k Re c'_k e^{-ik theta} = (X - Y) - (U + V)     U = sum bd cos, V = sum bc sin
///
/// so that the same sums serve both reflections, theta and -theta (Y and V change sign), and, even and odd k
/// apart, pi - theta: a quarter of the angles is summed over. For the few tens of frequencies of a
/// particle image this is as few operations as a fast Fourier transform and all of them are fused
/// multiply-adds on registers.
struct PairKernel {
  /// The peak of a parabola through three values of the grid, the middle one the largest, lies above it by
  /// at most an eighth of the values' range; a little more, for rounding.
  static let peakMargin: Float = 0.126

  /// Rows handled at once by `multiply`.
  static let rows = 4

  /// Angles on the grid, theta_t = (t + 1/2) 2 pi / angles: more than three a period of the highest
  /// frequency, a multiple of 16.
  let angles: Int
  /// Where each block's components start.
  private let offsets: [Int]
  /// Blocks of even frequency, then of odd frequency.
  private let order: [Int]
  private let evenCount: Int
  /// cos(k theta), sin(k theta): [four angles together][position in order][4 cosines, 4 sines].
  private let table: [Float]

  init(layout: AngularLayout) {
    offsets = layout.offsets
    let highest = layout.frequencies.last ?? 0
    let angles = max(32, (3 * highest + 16) / 16 * 16)
    self.angles = angles
    let even = layout.frequencies.indices.filter { layout.frequencies[$0] % 2 == 0 }
    let odd = layout.frequencies.indices.filter { layout.frequencies[$0] % 2 == 1 }
    order = even + odd
    evenCount = even.count
    var table: [Float] = []
    for start in stride(from: 0, to: angles / 4, by: 4) {
      for block in even + odd {
        let phases = (0..<4).map {
          Double(layout.frequencies[block]) * 2 * .pi * (Double(start + $0) + 0.5) / Double(angles)
        }
        table += phases.map { Float(cos($0)) } + phases.map { Float(sin($0)) }
      }
    }
    self.table = table
  }

  /// Vectors of the products of one row with 16 images: [block][ac, bd, ad, bc].
  var productLength: Int { order.count * 4 }

  /// Floating-point operations for one pair, both reflections: the four products of each component, the
  /// four sums over the frequencies at a quarter of the angles, and 24 additions for each of these.
  var operationsPerPair: Int {
    8 * offsets[offsets.count - 1] + angles / 4 * (8 * order.count + 24)
  }

  /// The products of four rows with 16 images.
  /// - Parameters:
  ///   - first: four rows of weighted coefficients (re, im side by side), `stride` floats apart.
  ///   - second: coefficients of 16 images, [component * 2 + part].
  ///   - products: four times `productLength` vectors.
  @inline(__always)
  func multiply(
    first: UnsafePointer<Float>, stride: Int, second: UnsafePointer<SIMD16<Float>>,
    products: UnsafeMutablePointer<SIMD16<Float>>
  ) {
    typealias Lanes = SIMD16<Float>
    let length = productLength
    let (row0, row1) = (first, first + stride)
    let (row2, row3) = (first + 2 * stride, first + 3 * stride)
    offsets.withUnsafeBufferPointer { offsets in
      for block in 0..<offsets.count - 1 {
        var (ac0, bd0, ad0, bc0) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        var (ac1, bd1, ad1, bc1) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        var (ac2, bd2, ad2, bc2) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        var (ac3, bd3, ad3, bc3) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
        for component in offsets[block]..<offsets[block + 1] {
          let at = 2 * component
          let c = second[at]
          let d = second[at + 1]
          let (a0, b0) = (Lanes(repeating: row0[at]), Lanes(repeating: row0[at + 1]))
          ac0.addProduct(a0, c)
          bd0.addProduct(b0, d)
          ad0.addProduct(a0, d)
          bc0.addProduct(b0, c)
          let (a1, b1) = (Lanes(repeating: row1[at]), Lanes(repeating: row1[at + 1]))
          ac1.addProduct(a1, c)
          bd1.addProduct(b1, d)
          ad1.addProduct(a1, d)
          bc1.addProduct(b1, c)
          let (a2, b2) = (Lanes(repeating: row2[at]), Lanes(repeating: row2[at + 1]))
          ac2.addProduct(a2, c)
          bd2.addProduct(b2, d)
          ad2.addProduct(a2, d)
          bc2.addProduct(b2, c)
          let (a3, b3) = (Lanes(repeating: row3[at]), Lanes(repeating: row3[at + 1]))
          ac3.addProduct(a3, c)
          bd3.addProduct(b3, d)
          ad3.addProduct(a3, d)
          bc3.addProduct(b3, c)
        }
        var target = products + 4 * block
        (target[0], target[1], target[2], target[3]) = (ac0, bd0, ad0, bc0)
        target += length
        (target[0], target[1], target[2], target[3]) = (ac1, bd1, ad1, bc1)
        target += length
        (target[0], target[1], target[2], target[3]) = (ac2, bd2, ad2, bc2)
        target += length
        (target[0], target[1], target[2], target[3]) = (ac3, bd3, ad3, bc3)
      }
    }
  }

  /// The sums over the grid of angles of one row with 16 images.
  /// - Parameters:
  ///   - products: `productLength` vectors of `multiply`.
  ///   - grid: 2 `angles` vectors: D at every angle, then M at every angle.
  /// - Returns: the largest and the smallest value of both.
  @inline(__always)
  func synthesize(
    products: UnsafePointer<SIMD16<Float>>, grid: UnsafeMutablePointer<SIMD16<Float>>
  ) -> (largest: SIMD16<Float>, smallest: SIMD16<Float>) {
    typealias Lanes = SIMD16<Float>
    var largest = Lanes(repeating: -.infinity)
    var smallest = Lanes(repeating: .infinity)
    let n = angles
    let mirror = grid + n
    order.withUnsafeBufferPointer { order in
      table.withUnsafeBufferPointer { table in
        withUnsafeTemporaryAllocation(of: Lanes.self, capacity: 16) { even in
          for start in stride(from: 0, to: n / 4, by: 4) {
            let trigonometric = table.baseAddress! + start / 4 * order.count * 8
            sums(products, order, 0..<evenCount, trigonometric, into: even.baseAddress!)
            withUnsafeTemporaryAllocation(of: Lanes.self, capacity: 16) { odd in
              sums(products, order, evenCount..<order.count, trigonometric, into: odd.baseAddress!)
              for j in 0..<4 {
                let t = start + j
                let (xe, ye, ue, ve) = (even[j], even[4 + j], even[8 + j], even[12 + j])
                let (xo, yo, uo, vo) = (odd[j], odd[4 + j], odd[8 + j], odd[12 + j])
                // theta and -theta, then pi - theta and pi + theta.
                let indices = ((t, n - 1 - t), (n / 2 - 1 - t, n / 2 + t))
                @inline(__always)
                func store(_ x: Lanes, _ y: Lanes, _ u: Lanes, _ v: Lanes, _ at: (Int, Int)) {
                  let (minus, plus) = (x - y, x + y)
                  let (sum, difference) = (u + v, u - v)
                  let (d0, m1) = (minus + sum, minus - sum)
                  let (d1, m0) = (plus + difference, plus - difference)
                  grid[at.0] = d0
                  grid[at.1] = d1
                  mirror[at.0] = m0
                  mirror[at.1] = m1
                  largest = larger(largest, larger(larger(d0, d1), larger(m0, m1)))
                  smallest = smaller(smallest, smaller(smaller(d0, d1), smaller(m0, m1)))
                }
                store(xe + xo, ye + yo, ue + uo, ve + vo, indices.0)
                store(xe - xo, yo - ye, ue - uo, vo - ve, indices.1)
              }
            }
          }
        }
      }
    }
    return (largest, smallest)
  }

  /// X, Y, U, V (four angles each) over some blocks.
  @inline(__always)
  private func sums(
    _ products: UnsafePointer<SIMD16<Float>>, _ order: UnsafeBufferPointer<Int>,
    _ positions: Range<Int>, _ table: UnsafePointer<Float>,
    into result: UnsafeMutablePointer<SIMD16<Float>>
  ) {
    typealias Lanes = SIMD16<Float>
    var (x0, x1, x2, x3) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    var (y0, y1, y2, y3) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    var (u0, u1, u2, u3) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    var (v0, v1, v2, v3) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    for position in positions {
      let source = products + 4 * order[position]
      let trigonometric = table + 8 * position
      let (ac, bd, ad, bc) = (source[0], source[1], source[2], source[3])
      let c0 = Lanes(repeating: trigonometric[0])
      x0.addProduct(c0, ac)
      u0.addProduct(c0, bd)
      let c1 = Lanes(repeating: trigonometric[1])
      x1.addProduct(c1, ac)
      u1.addProduct(c1, bd)
      let c2 = Lanes(repeating: trigonometric[2])
      x2.addProduct(c2, ac)
      u2.addProduct(c2, bd)
      let c3 = Lanes(repeating: trigonometric[3])
      x3.addProduct(c3, ac)
      u3.addProduct(c3, bd)
      let s0 = Lanes(repeating: trigonometric[4])
      y0.addProduct(s0, ad)
      v0.addProduct(s0, bc)
      let s1 = Lanes(repeating: trigonometric[5])
      y1.addProduct(s1, ad)
      v1.addProduct(s1, bc)
      let s2 = Lanes(repeating: trigonometric[6])
      y2.addProduct(s2, ad)
      v2.addProduct(s2, bc)
      let s3 = Lanes(repeating: trigonometric[7])
      y3.addProduct(s3, ad)
      v3.addProduct(s3, bc)
    }
    (result[0], result[1], result[2], result[3]) = (x0, x1, x2, x3)
    (result[4], result[5], result[6], result[7]) = (y0, y1, y2, y3)
    (result[8], result[9], result[10], result[11]) = (u0, u1, u2, u3)
    (result[12], result[13], result[14], result[15]) = (v0, v1, v2, v3)
  }

  /// The largest value of D and of M of each lane, by a parabola through the grid's best angle and its
  /// neighbours; M's where `reflected` is set.
  func peaks(of grid: UnsafePointer<SIMD16<Float>>) -> (
    value: SIMD16<Float>, reflected: SIMDMask<SIMD16<Int32>>
  ) {
    let direct = peak(of: grid)
    let mirror = peak(of: grid + angles)
    let reflected = mirror .> direct
    return (direct.replacing(with: mirror, where: reflected), reflected)
  }

  private func peak(of values: UnsafePointer<SIMD16<Float>>) -> SIMD16<Float> {
    let n = angles
    var best = values[0]
    var (left, right) = (values[n - 1], values[1])
    for t in 1..<n {
      let better = values[t] .> best
      best.replace(with: values[t], where: better)
      left.replace(with: values[t - 1], where: better)
      right.replace(with: values[t + 1 == n ? 0 : t + 1], where: better)
    }
    let slope = left - right
    let curvature = left + right - 2 * best
    let flat = curvature .>= 0
    let gain = slope * slope / (8 * curvature.replacing(with: -1, where: flat))
    return best - gain.replacing(with: 0, where: flat)
  }
}
