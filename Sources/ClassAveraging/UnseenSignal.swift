import Foundation
import LinearAlgebra

/// What the clean images hold beyond the band limit, where the model sees nothing: a percent or two of the energy,
/// but it makes neighbours less alike than the model has them, and true neighbours fewer.
///
/// How much there is follows from the energy on the shells about the band limit, which falls exponentially; how
/// alike two images are there, from how alike they are in the outer band: the correlation of two views
/// falls with the frequency xi as exp(-a xi^2).
struct UnseenSignal {
  /// The share of it in the energy of the clean images, less their pixels' mean.
  let share: Double
  /// Inner products of a block's functions in the outer band, p_k x p_k.
  private let outer: [Matrix]
  /// Mean square frequency beyond the band limit over that in the outer band.
  private let exponent: Double
  private let layout: AngularLayout

  /// Where the outer band begins, of the band limit.
  private static let outerBand = 0.8

  /// - Parameter covariance: of the clean images' Fourier-Bessel coefficients, block by block.
  init(
    _ statistics: ImageStatistics, noiseVariance: Double, basis: FourierBesselBasis,
    covariance: [Matrix]
  ) {
    self.init(
      tail: Self.tail(
        of: statistics.signalEnergy(size: basis.size, noiseVariance: noiseVariance),
        bandLimit: basis.bandLimit * Double(basis.size), size: basis.size),
      basis: basis, covariance: covariance)
  }

  /// - Parameter tail: the share of the energy beyond the band limit and its mean square frequency, grid steps.
  init(tail: (share: Double, meanSquare: Double), basis: FourierBesselBasis, covariance: [Matrix]) {
    let layout = basis.layout
    self.layout = layout
    share = tail.share
    // Circles at the middles of equal parts.
    let circles = max(16, basis.layout.components(ofBlock: 0).count)
    let width = (1 - Self.outerBand) * basis.bandLimit / Double(circles)
    var (energy, squares) = (0.0, 0.0)
    outer = (0..<layout.blockCount).map { block in
      let p = layout.components(ofBlock: block).count
      var gram = Matrix(rows: p, columns: p)
      for circle in 0..<circles {
        let xi = Self.outerBand * basis.bandLimit + (Double(circle) + 0.5) * width
        let radial = basis.fourierRadial(block: block, at: xi)
        let weight = 2 * .pi * xi * width
        for i in 0..<p { for j in 0..<p { gram[i, j] += weight * radial[i] * radial[j] } }
        let sigma = covariance[block].times(radial)
        let own =
          weight * Double(ImageModel.multiplicity(ofBlock: block))
          * zip(radial, sigma).reduce(0) { $0 + $1.0 * $1.1 }
        energy += own
        squares += own * xi * xi
      }
      return gram
    }
    exponent =
      energy > 0 && tail.share > 0
      ? tail.meanSquare / Double(basis.size * basis.size) / (squares / energy) : 1
  }

  /// How much lies beyond the band limit, as a share of all from shell 1 on, and its mean square frequency; in grid
  /// steps. The mean energy of a point of the grid is taken for A exp(-beta k) from half the band limit to
  /// twice: least squares, by what noise leaves uncertain and by 30 % of the energy itself, for the law is a rough one.
  static func tail(
    of shells: [(energy: Double, variance: Double)], bandLimit: Double, size: Int
  ) -> (share: Double, meanSquare: Double) {
    let points = ImageStatistics.pointsPerShell(size: size).map { Double($0) }
    let first = max(1, Int(bandLimit / 2))
    let last = min(shells.count - 1, Int((2 * bandLimit).rounded()))
    let within = shells.indices.filter { $0 >= 1 && Double($0) <= bandLimit + 0.5 }
    guard first < last, within.contains(where: { shells[$0].energy > 0 }) else { return (0, 0) }
    var best = (misfit: Double.infinity, scale: 0.0, decay: 0.0)
    for step in 0..<200 {
      let decay = 1e-3 * exp(Double(step) * log(3e3) / 199)
      func law(_ k: Int) -> Double { points[k] * exp(-decay * (Double(k) - bandLimit)) }
      var (product, square, energy) = (0.0, 0.0, 0.0)
      for k in first...last {
        let own = shells[k].energy
        let weight = 1 / (shells[k].variance + pow(0.3 * max(0, own), 2) + 1e-100)
        product += weight * law(k) * own
        square += weight * law(k) * law(k)
        energy += weight * own * own
      }
      let scale = max(0, product / square)
      let misfit = energy - scale * (2 * product - scale * square)
      if misfit < best.misfit { best = (misfit, scale, decay) }
    }
    var (inside, beyond, squares) = (0.0, 0.0, 0.0)
    for k in within {
      let part = min(1, bandLimit - Double(k) + 0.5)
      inside += part * shells[k].energy
    }
    for k in shells.indices where Double(k) + 0.5 > bandLimit {
      let part = min(Double(k) + 0.5, Double(size) / 2) - max(Double(k) - 0.5, bandLimit)
      let own = max(0, part) * points[k] * best.scale * exp(-best.decay * (Double(k) - bandLimit))
      beyond += own
      squares += own * Double(k * k)
    }
    guard beyond > 0, inside > 0 else { return (0, 0) }
    return (beyond / (inside + beyond), squares / beyond)
  }

  /// The correlation of two images in all they hold.
  /// - Parameters:
  ///   - seen: that of what the model sees.
  ///   - a, b: their coefficients, component-major, (re, im); the second is reflected if asked, then rotated.
  func correlation(
    seen: Double, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, reflected: Bool,
    rotation: Double
  ) -> Double {
    if share == 0 { return seen }
    var (product, first, second) = (0.0, 0.0, 0.0)
    for k in 0..<layout.blockCount {
      let components = layout.components(ofBlock: k)
      let (c, s) = (cos(Double(k) * rotation), sin(Double(k) * rotation))
      for (i, row) in components.enumerated() {
        var (x, y, u, v) = (0.0, 0.0, 0.0, 0.0)
        for (j, column) in components.enumerated() {
          let gram = outer[k][i, j]
          x += gram * Double(a[2 * column])
          y += gram * Double(a[2 * column + 1])
          u += gram * Double(b[2 * column])
          v += gram * Double(b[2 * column + 1])
        }
        let (p, q) = (Double(a[2 * row]), Double(a[2 * row + 1]))
        let (m, n) = (Double(b[2 * row]), Double(b[2 * row + 1]))
        first += p * x + q * y
        second += m * u + n * v
        if reflected { v = -v }
        // conj(a) b exp(i k rotation), the real part.
        product += p * (u * c - v * s) + q * (u * s + v * c)
      }
    }
    let outer = max(0, product) / max((first * second).squareRoot(), .leastNormalMagnitude)
    return (1 - share) * seen + share * pow(outer, exponent)
  }
}
