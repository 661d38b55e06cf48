import Foundation
import ImageModel
import LinearAlgebra

/// What clean images hold and simulated ones do not (`SimulatedImages`): all beyond the band limit, and within it the
/// components that noise hides from the covariance, most of them in its outer part. A few percent of the energy, but
/// it makes neighbours less alike than the simulated ones, and true neighbours fewer.
///
/// How much there is follows from the energy on the shells about the band limit, as measured and as a law has it by
/// which it falls exponentially, and from how the energy of the components falls (`SpectrumTail`). Each misses
/// something, the first what noise hides at low frequencies, the second what is not like the rest: the larger one
/// counts. How alike two images are there follows from how alike they are in the outer band: the correlation of two
/// views falls with the frequency xi as exp(-a xi^2).
struct UnmodelledSignal {
  /// The share of it in the energy of the clean images, less their pixels' mean.
  let share: Double
  /// Inner products of a block's functions in the outer band, p_k x p_k.
  private let outer: [Matrix]
  /// Mean square frequency of what is unseen over that in the outer band.
  private let exponent: Double
  private let layout: AngularLayout

  /// Where the outer band begins, of the band limit.
  private static let outerBand = 0.8

  /// - Parameters:
  ///   - spectrum: of the clean images, as far as the run knows.
  ///   - mean, covariance: of the simulated images' Fourier-Bessel coefficients, block by block.
  init(
    _ statistics: ImageStatistics, spectrum: SpectrumTail, basis: FourierBesselBasis,
    mean: [Double], covariance: [Matrix]
  ) {
    var unmodelled = Self.unmodelled(
      of: statistics.signalEnergy(size: basis.size),
      seen: Self.outerEnergy(basis: basis, mean: mean, covariance: covariance),
      bandLimit: basis.bandLimit * Double(basis.size), size: basis.size)
    unmodelled.share = max(
      unmodelled.share, Self.share(of: spectrum, basis: basis, mean: mean, covariance: covariance))
    self.init(unmodelled, basis: basis, covariance: covariance)
  }

  /// What the spectrum holds and the simulated images do not, as a share of all.
  static func share(
    of spectrum: SpectrumTail, basis: FourierBesselBasis, mean: [Double], covariance: [Matrix]
  ) -> Double {
    let coarse = ImageEnergy.sumAndEnergy(of: mean, ImageEnergy.discSums(basis)).energy
    let simulated = covariance.enumerated().reduce(0) {
      $0 + Double(ImageModel.multiplicity(ofBlock: $1.offset)) * $1.element.trace
    }
    let missing = max(0, spectrum.seen + spectrum.hidden - simulated)
    return missing > 0 ? missing / (max(0, coarse) + simulated + missing) : 0
  }

  /// - Parameters:
  ///   - unseen: its share of the energy and its mean square frequency in grid steps.
  ///   - covariance: of the simulated images' Fourier-Bessel coefficients, block by block.
  init(
    _ unmodelled: (share: Double, meanSquare: Double), basis: FourierBesselBasis,
    covariance: [Matrix]
  ) {
    let layout = basis.layout
    self.layout = layout
    share = unmodelled.share
    let circles = Self.circles(
      basis, from: Self.outerBand * basis.bandLimit, through: basis.bandLimit)
    var (energy, squares) = (0.0, 0.0)
    outer = (0..<layout.blockCount).map { block in
      let p = layout.components(ofBlock: block).count
      var gram = Matrix(rows: p, columns: p)
      for (xi, weight) in circles {
        let radial = basis.fourierRadial(block: block, at: xi)
        for i in 0..<p { for j in 0..<p { gram[i, j] += weight * radial[i] * radial[j] } }
        let own = weight * Self.power(radial, covariance[block], block: block)
        energy += own
        squares += own * xi * xi
      }
      return gram
    }
    exponent =
      energy > 0 && share > 0 && unmodelled.meanSquare > 0
      ? unmodelled.meanSquare / Double(basis.size * basis.size) / (squares / energy) : 1
  }

  /// Circles at the middles of equal parts of a ring, and the area that each stands for.
  private static func circles(_ basis: FourierBesselBasis, from inner: Double, through end: Double)
    -> [(xi: Double, weight: Double)]
  {
    let count = max(16, basis.layout.components(ofBlock: 0).count)
    let width = (end - inner) / Double(count)
    return (0..<count).map { circle in
      let xi = inner + (Double(circle) + 0.5) * width
      return (xi, 2 * .pi * xi * width)
    }
  }

  /// Of a block's angular frequency at a point of the Fourier transform, on average.
  private static func power(_ radial: [Double], _ covariance: Matrix, block: Int) -> Double {
    Double(ImageModel.multiplicity(ofBlock: block))
      * zip(radial, covariance.times(radial)).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// The first shell of the outer band.
  private static func firstOuterShell(bandLimit: Double) -> Int {
    max(1, Int((outerBand * bandLimit).rounded(.up)))
  }

  /// The energy of images with that mean and covariance on the shells of the outer band, as far as they lie in the
  /// band.
  static func outerEnergy(basis: FourierBesselBasis, mean: [Double], covariance: [Matrix])
    -> [Double]
  {
    let (size, layout) = (Double(basis.size), basis.layout)
    let first = firstOuterShell(bandLimit: basis.bandLimit * size)
    var result: [Double] = []
    while Double(first + result.count) - 0.5 < basis.bandLimit * size {
      let middle = Double(first + result.count)
      let circles = circles(
        basis, from: (middle - 0.5) / size, through: min((middle + 0.5) / size, basis.bandLimit))
      var energy = 0.0
      for block in 0..<layout.blockCount {
        for (xi, weight) in circles {
          let radial = basis.fourierRadial(block: block, at: xi)
          energy += weight * power(radial, covariance[block], block: block)
          if block == 0 {
            let value = zip(radial, mean).reduce(0) { $0 + $1.0 * $1.1 }
            energy += weight * value * value
          }
        }
      }
      result.append(energy)
    }
    return result
  }

  /// What is not seen, as a share of all from shell 1 on, and its mean square frequency; in grid steps. Nothing where
  /// there is no energy in the band.
  /// - Parameters:
  ///   - shells: the energy of the clean images, and how uncertain it is.
  ///   - seen: what is seen on each shell of the outer band (`outerEnergy`).
  static func unmodelled(
    of shells: [(energy: Double, variance: Double)], seen: [Double], bandLimit: Double, size: Int
  ) -> (share: Double, meanSquare: Double) {
    /// How much of a shell lies in the band.
    func share(_ k: Int) -> Double { min(1, max(0, bandLimit - Double(k) + 0.5)) }
    let within = (1..<shells.count).filter { share($0) > 0 }
    guard within.contains(where: { shells[$0].energy > 0 }),
      let law = energyLaw(of: shells, bandLimit: bandLimit, size: size)
    else { return (0, 0) }
    var all = within.reduce(0) { $0 + share($1) * shells[$1].energy }
    var (missing, squares) = (0.0, 0.0)
    for k in shells.indices where Double(k) + 0.5 > bandLimit {
      let part = min(Double(k) + 0.5, Double(size) / 2) - max(Double(k) - 0.5, bandLimit)
      missing += max(0, part) * law(k)
      squares += max(0, part) * law(k) * Double(k * k)
    }
    all += missing
    // In all, the outer band cannot hold less than what is seen of it; single shells may seem to.
    let first = firstOuterShell(bandLimit: bandLimit)
    var (hidden, positive, hiddenSquares) = (0.0, 0.0, 0.0)
    let points = ImageStatistics.pointsPerShell(size: size)
    for (k, area) in zip(first..<shells.count, seen) {
      // The grid's points on a shell are not quite as many as its area has.
      let seen = area * Double(points[k]) / (2 * .pi * Double(k))
      let expected = max(share(k) * law(k), seen)
      let uncertainty = lawError * lawError * expected * expected
      let variance = share(k) * share(k) * shells[k].variance
      let trust = uncertainty / (uncertainty + variance + .leastNormalMagnitude)
      let left = trust * share(k) * shells[k].energy + (1 - trust) * expected - seen
      hidden += left
      positive += max(0, left)
      hiddenSquares += max(0, left) * Double(k * k)
    }
    if hidden > 0 {
      missing += hidden
      squares += hidden * hiddenSquares / positive
    }
    guard missing > 0, all > 0 else { return (0, 0) }
    return (min(1, missing / all), squares / missing)
  }

  /// How far the law may be off, as a share of it.
  private static let lawError = 0.3

  /// The energy of shell k by a law fitted about the band limit; nil where there are too few shells. The mean energy
  /// of a point of the grid is taken for A exp(-beta k), from half the limit to twice: least squares, by what noise
  /// leaves uncertain and by `lawError` of the energy itself, for the law is a rough one.
  private static func energyLaw(
    of shells: [(energy: Double, variance: Double)], bandLimit: Double, size: Int
  ) -> ((Int) -> Double)? {
    let points = ImageStatistics.pointsPerShell(size: size).map { Double($0) }
    let first = max(1, Int(bandLimit / 2))
    let last = min(shells.count - 1, Int((2 * bandLimit).rounded()))
    guard first < last else { return nil }
    func law(_ k: Int, decay: Double) -> Double {
      points[k] * exp(-decay * (Double(k) - bandLimit))
    }
    var best = (misfit: Double.infinity, scale: 0.0, decay: 0.0)
    for step in 0..<200 {
      let decay = 1e-3 * exp(Double(step) * log(3e3) / 199)
      var (product, square, energy) = (0.0, 0.0, 0.0)
      for k in first...last {
        let own = shells[k].energy
        let expected = law(k, decay: decay)
        let weight = 1 / (shells[k].variance + pow(lawError * max(0, own), 2) + 1e-100)
        product += weight * expected * own
        square += weight * expected * expected
        energy += weight * own * own
      }
      let scale = max(0, product / square)
      let misfit = energy - scale * (2 * product - scale * square)
      if misfit < best.misfit { best = (misfit, scale, decay) }
    }
    let (scale, decay) = (best.scale, best.decay)
    return { scale * law($0, decay: decay) }
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
    layout.forEachPhase(of: rotation) { block, _, phase in
      let components = layout.components(ofBlock: block)
      let (c, s) = (phase.x, phase.y)
      for (i, row) in components.enumerated() {
        var (x, y, u, v) = (0.0, 0.0, 0.0, 0.0)
        for (j, column) in components.enumerated() {
          let gram = outer[block][i, j]
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
    let likeness = max(0, product) / max((first * second).squareRoot(), .leastNormalMagnitude)
    return (1 - share) * seen + share * pow(likeness, exponent)
  }
}
