import Foundation
import Fourier

/// Inner products of images with the Fourier-Bessel functions: polar Fourier transform, sums over the
/// angle, sums over the rings (method E.2). This is B^T of the image model, exact to about 1e-5; its own
/// transpose, not its inverse, is what the statistics of E.3 and E.4 need.
///
/// Works on 16 images side by side; one instance a thread. What it computes for an image does not
/// depend on the image's lane or its companions.
public final class SteerableAnalysis {
  /// The basis that the coefficients are of.
  public let basis: FourierBesselBasis
  private let polar: PolarTransform
  /// cos(k theta_j) and sin(k theta_j) on the positive half of the angles, [k][j].
  private let cosines: [Float]
  private let sines: [Float]
  /// Radial weights of each component at each ring, [component][ring], quadrature and signs included.
  private let radialWeights: [Float]
  /// The first ring at which a block is not negligible.
  private let firstRing: [Int]
  /// Angular sums, [block][ring][part].
  private var angular: [SIMD16<Float>]
  private var folded: [SIMD16<Float>]

  /// Prepares rings, angles and weights for `basis`.
  public init(basis: FourierBesselBasis) {
    self.basis = basis
    let layout = basis.layout
    let c = basis.bandLimit
    // The integrand is as wide as the image's corner plus the basis functions' radius.
    let corner = Double(basis.size) / 2.squareRoot() + 1
    let extent = corner + basis.radius
    let rings = GaussLegendre(count: Int((2 * c * extent).rounded(.up)) + 12, from: 0, to: c)
    let angles = fastTransformLength(
      atLeast: Int(2 * .pi * c * corner) + (layout.frequencies.last ?? 0) + 30)
    let half = (angles / 2 + 1) & ~1
    polar = PolarTransform(size: basis.size, radii: rings.nodes, halfAngles: half)
    let positive = (half / 2..<half).map { PolarTransform.angle($0, of: half) }
    cosines = layout.frequencies.flatMap { k in positive.map { Float(cos(Double(k) * $0)) } }
    sines = layout.frequencies.flatMap { k in positive.map { Float(sin(Double(k) * $0)) } }

    var weights = [Float](repeating: 0, count: layout.componentCount * rings.nodes.count)
    var firstRing = [Int](repeating: rings.nodes.count, count: layout.blockCount)
    for k in layout.frequencies {
      // Even k sees the real part of Y, odd k i times the imaginary part; with i^k of the plane wave
      // the factor is real, (-1)^ceil(k/2). The half circle counts twice, sqrt 2 is the real basis's.
      let sign: Double = ((k + 1) / 2) % 2 == 0 ? 1 : -1
      let factor = sign * 2 * .pi / Double(half) * (k == 0 ? 1 : 2.0.squareRoot())
      for (ring, xi) in rings.nodes.enumerated() {
        for (q, value) in basis.fourierRadial(block: k, at: xi).enumerated() {
          let weight = value * xi * rings.weights[ring] * factor
          weights[(layout.offsets[k] + q) * rings.nodes.count + ring] = Float(weight)
          if abs(value) > 1e-7 { firstRing[k] = min(firstRing[k], ring) }
        }
      }
    }
    radialWeights = weights
    self.firstRing = firstRing
    angular = .init(repeating: .zero, count: layout.blockCount * rings.nodes.count * 2)
    folded = .init(repeating: .zero, count: half * 2)
  }

  /// Puts an image (size x size, row-major) into a lane.
  public func load(_ image: UnsafePointer<Float>, lane: Int) { polar.load(image, lane: lane) }

  /// Empties a lane.
  public func clear(lane: Int) { polar.clear(lane: lane) }

  /// Coefficients of the 16 loaded images: `output[component * 2 + part][lane]`.
  public func analyze(into output: UnsafeMutablePointer<SIMD16<Float>>) {
    polar.transformLanes()
    for ring in polar.radii.indices { sumOverAngles(ring: ring) }
    sumOverRings(into: output)
  }

  /// sum over angles of Y cos(k theta) and Y sin(k theta), Y's real part for even k and imaginary part
  /// for odd k, folded so that only half of the angles is visited.
  private func sumOverAngles(ring: Int) {
    let half = polar.halfAngles
    let quarter = half / 2
    let rings = polar.radii.count
    let samples = polar.samples + ring * half * 2
    let blocks = basis.layout.blockCount
    folded.withUnsafeMutableBufferPointer { folded in
      for j in 0..<quarter {
        for part in 0..<2 {
          let plus = samples[(quarter + j) * 2 + part]
          let minus = samples[(quarter - 1 - j) * 2 + part]
          folded[(part * 2) * quarter + j] = plus + minus
          folded[(part * 2 + 1) * quarter + j] = plus - minus
        }
      }
    }
    angular.withUnsafeMutableBufferPointer { angular in
      folded.withUnsafeBufferPointer { folded in
        cosines.withUnsafeBufferPointer { cosines in
          sines.withUnsafeBufferPointer { sines in
            for k in 0..<blocks where firstRing[k] <= ring {
              let even = folded.baseAddress! + (k % 2) * 2 * quarter
              let odd = even + quarter
              let cosine = cosines.baseAddress! + k * quarter
              let sine = sines.baseAddress! + k * quarter
              var sums = (
                SIMD16<Float>.zero, SIMD16<Float>.zero, SIMD16<Float>.zero, SIMD16<Float>.zero
              )
              var j = 0
              while j + 1 < quarter {
                sums.0.addProduct(SIMD16(repeating: cosine[j]), even[j])
                sums.1.addProduct(SIMD16(repeating: sine[j]), odd[j])
                sums.2.addProduct(SIMD16(repeating: cosine[j + 1]), even[j + 1])
                sums.3.addProduct(SIMD16(repeating: sine[j + 1]), odd[j + 1])
                j += 2
              }
              if j < quarter {
                sums.0.addProduct(SIMD16(repeating: cosine[j]), even[j])
                sums.1.addProduct(SIMD16(repeating: sine[j]), odd[j])
              }
              angular[(k * rings + ring) * 2] = sums.0 + sums.2
              angular[(k * rings + ring) * 2 + 1] = sums.1 + sums.3
            }
          }
        }
      }
    }
  }

  private func sumOverRings(into output: UnsafeMutablePointer<SIMD16<Float>>) {
    let rings = polar.radii.count
    let layout = basis.layout
    angular.withUnsafeBufferPointer { angular in
      radialWeights.withUnsafeBufferPointer { weights in
        for k in 0..<layout.blockCount {
          let source = angular.baseAddress! + k * rings * 2
          for component in layout.components(ofBlock: k) {
            var real = SIMD16<Float>.zero
            var imaginary = SIMD16<Float>.zero
            let weight = weights.baseAddress! + component * rings
            for ring in firstRing[k]..<rings {
              let w = SIMD16<Float>(repeating: weight[ring])
              real.addProduct(w, source[2 * ring])
              imaginary.addProduct(w, source[2 * ring + 1])
            }
            output[2 * component] = real
            output[2 * component + 1] = k == 0 ? .zero : imaginary
          }
        }
      }
    }
  }
}
