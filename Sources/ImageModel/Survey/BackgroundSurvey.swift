import Foundation
import MPI
import ParticleIO

/// What the first look at all images tells: which are of no use, and how they are prepared (method E.14, E.15).
struct BackgroundSurvey {
  /// Particles left out: index in the STAR file from 0, and why.
  let leftOut: [(particle: Int, defect: ParticleDefect)]
  /// How images are prepared, before a particle's radius is known.
  let preparation: ImagePreparation
  /// What was found in the images that take part.
  let findings: BackgroundFindings

  /// An image with a larger share of pixels that noise does not explain is left out.
  private static let mostDust = 0.02
  /// A common offset matters from this part of what one image's mean scatters by.
  private static let leastOffset = 0.3
  /// How many times more noise there is in the middle of masked images than outside.
  private static let maskedRatio = 50.0

  /// Collective.
  /// - Parameters:
  ///   - pass: of all images.
  ///   - groups: the noise group of each optics group, and how many there are.
  init(
    _ pass: ImagePass, radius: Double, groups: (ofOptics: [Int], count: Int),
    progress: (Int) throws -> Void
  ) throws {
    let (set, size) = (pass.set, pass.set.boxSize)
    let pixels = size * size
    let chance = Self.largestOfNoise(pixels: set.particles.count * pixels)
    let outlier = 1.25 * chance
    let found = try pass.map(progress: progress) {
      (
        BackgroundFit(size: size, radius: radius, outlier: outlier),
        CTFWeighting(size: size, pixelSize: set.pixelSize)
      )
    } _: { state, image, at in
      let particle = set.particles[at]
      let passed = state.1.noisePassed(
        particle.ctf, optics: set.opticsGroups[Int(particle.opticsGroup)])
      return Self.measure(image, pixels: pixels, state.0, noisePassed: passed)
    }
    let width = Self.Measured.width
    let all = try pass.comm.allgatherRagged(found.flatMap(\.numbers))
    let images = stride(from: 0, to: all.count, by: width).map {
      Self.Measured(all[$0..<$0 + width])
    }

    let usable = images.indices.filter { images[$0].defect == nil }
    var extremes = usable.map { images[$0].extreme }
    // Where particles are brighter than noise, their own pixels are what is usual, and some are much brighter.
    let usual = extremes.isEmpty ? 0 : Double(median(&extremes))
    let isDusty = 1.5 * usual <= outlier
    let dustBound = isDusty ? max(chance, 1.5 * usual) : 4 * usual
    leftOut = images.enumerated().compactMap { at, image in
      if let defect = image.defect { return (at, defect) }
      return isDusty && Double(image.outliers) > Self.mostDust * Double(pixels)
        ? (at, .tooManyOutliers) : nil
    }
    let isBad = Set(leftOut.map(\.particle))
    let kept = usable.filter { !isBad.contains($0) }
    var (variances, fine) = (kept.map { images[$0].logVariance }, kept.map { images[$0].logFine })
    let level = variances.isEmpty ? 0 : Double(median(&variances))
    let fineLevel = fine.isEmpty ? 0 : Double(median(&fine))
    let isMasked = fineLevel - level > log(Self.maskedRatio)
    var scales = (0..<groups.count).map { group in
      Self.scale(
        kept.filter { groups.ofOptics[Int(set.particles[$0].opticsGroup)] == group }
          .map { images[$0] })
    }
    var unit: Double
    if scales.contains(where: { $0.share > 0 }) {
      for group in scales.indices {
        scales[group].level = exp((scales[group].logVariance - level) / 2)
      }
      unit = exp(level / 2)
    } else {
      // A power of two, which rounds nothing: units are those of the files.
      unit = exp2(((isMasked ? fineLevel : level) / 2 / log(2)).rounded())
    }
    if !(unit.isFinite && unit > 0) { unit = 1 }
    preparation = ImagePreparation(
      size: size, radius: radius,
      level: Self.level(
        kept.map { images[$0] },
        pixels: BackgroundFit.background(size: size, radius: radius).count), dustBound: dustBound,
      isMasked: isMasked, scales: scales,
      unit: unit)
    findings = BackgroundFindings(
      images: kept.count, areScaled: scales.contains { $0.share > 0 },
      isPlane: preparation.level.isPlane,
      dusty: kept.count { Double(images[$0].extreme) > dustBound },
      fineVariance: exp(fineLevel) / (unit * unit))
  }

  /// What is taken off: only what differs from image to image by more than noise explains.
  private static func level(_ images: [Measured], pixels: Int) -> BackgroundLevel {
    guard !images.isEmpty else { return BackgroundLevel() }
    var means = images.map { Float($0.mean) }
    // In double precision, of the image in the middle.
    let usual = Double(median(&means))
    let nearest = images.min { abs($0.mean - usual) < abs($1.mean - usual) }!.mean
    // An offset is in both halves of the background; chance, of whatever colour, hardly is.
    var distances = images.map { Float(min(abs($0.mean - nearest), 1e30)) }
    let far = 4 * 1.4826 * Double(median(&distances))
    let usualImages = images.filter { abs($0.mean - nearest) <= far }
    let agreement = Self.correlation(
      usualImages.map { $0.firstMean - nearest }, usualImages.map { $0.secondMean - nearest })
    let count = Double(max(1, images.count))
    var chi = images.map { min($0.slopeChi, 1e30) }
    // The median of chi squared with two degrees of freedom.
    let slopeRatio = Double(median(&chi)) / 1.386
    // What is less is the particle's own fringe.
    var variances = images.map(\.logVariance)
    let deviation = exp(Double(median(&variances)) / 2)
    let isOffset = abs(nearest) > Self.leastOffset * deviation / Double(pixels).squareRoot()
    return BackgroundLevel(
      mean: isOffset ? nearest : 0, isOwnMean: agreement > max(0.2, 6 / count.squareRoot()),
      isPlane: slopeRatio > 1 + max(0.5, 6 / count.squareRoot()))
  }

  /// The distance from 0 that one of so many normal numbers passes once in ten times.
  static func largestOfNoise(pixels: Int) -> Double {
    // Q(z) of both sides falls as 0.8 exp(-z^2 / 2) / z.
    let goal = 0.1 / Double(max(1, pixels))
    var z = 3.0
    for _ in 0..<50 { z = (2 * log(0.8 / (z * goal))).squareRoot() }
    return z
  }

  private static func covariance(_ a: [Double], _ b: [Double]) -> Double {
    let n = Double(max(1, a.count))
    let (x, y) = (a.reduce(0, +) / n, b.reduce(0, +) / n)
    return zip(a, b).reduce(0) { $0 + ($1.0 - x) * ($1.1 - y) } / n
  }

  private static func correlation(_ a: [Double], _ b: [Double]) -> Double {
    let both = (covariance(a, a) * covariance(b, b)).squareRoot()
    return both > 0 ? covariance(a, b) / both : 0
  }

  /// How images of a group differ in scale: as much as both halves of their backgrounds agree on.
  private static func scale(_ images: [Measured]) -> ImageScale {
    guard images.count > 3 else {
      return ImageScale(
        logVariance: Double(images.first?.logVariance ?? 0), share: 0, limit: .infinity)
    }
    var values = images.map(\.logVariance)
    let usual = median(&values)
    var distances = images.map { abs($0.logVariance - usual) }
    let deviation = 1.4826 * median(&distances)
    let usualImages = images.filter { abs($0.logVariance - usual) <= 4 * deviation }
    let n = Double(usualImages.count)
    let (left, right) = (
      usualImages.map { Double($0.logFirst) }, usualImages.map { Double($0.logSecond) }
    )
    let whole = usualImages.map { Double($0.logVariance) }
    let variance = covariance(whole, whole)
    let agrees = correlation(left, right) > max(0.2, 6 / n.squareRoot())
    let share = agrees ? min(1, covariance(left, right) / variance) : 0
    // Chance, or scales of their own, explain what is nearer.
    return ImageScale(
      logVariance: Double(usual), share: share, limit: max(0.3, 7 * Double(deviation)))
  }
}

/// What the backgrounds of a run's images are like, for its user.
public struct BackgroundFindings: Sendable, Equatable {
  /// Images that take part.
  public var images = 0
  /// Whether they differ in scale.
  public var areScaled = false
  /// Whether a plane is taken off each image.
  public var isPlane = false
  /// Images with pixels that noise does not explain, which are replaced.
  public var dusty = 0
  /// Variance of the noise in the middle of the prepared images, where it is white.
  public var fineVariance = 0.0
}

extension BackgroundSurvey {
  /// What is kept of each image.
  fileprivate struct Measured {
    var defect: ParticleDefect?
    var logVariance: Float = 0
    var logFirst: Float = 0
    var logSecond: Float = 0
    var logFine: Float = 0
    var extreme: Float = 0
    var outliers = 0
    /// Chi squared of the slopes: of two degrees of freedom where they are noise.
    var slopeChi: Float = 0
    var mean = 0.0
    var firstMean = 0.0
    var secondMean = 0.0

    static let width = 11

    init(defect: ParticleDefect? = nil) { self.defect = defect }

    var numbers: [Double] {
      [
        Double(defect?.rawValue ?? 0), Double(logVariance), Double(logFirst), Double(logSecond),
        Double(logFine), Double(extreme), Double(outliers), Double(slopeChi), mean, firstMean,
        secondMean,
      ]
    }

    init(_ numbers: ArraySlice<Double>) {
      let all = Array(numbers)
      let n = all.map { Float($0) }
      defect = ParticleDefect(rawValue: Int(n[0]))
      (logVariance, logFirst, logSecond, logFine) = (n[1], n[2], n[3], n[4])
      (extreme, outliers, slopeChi) = (n[5], Int(n[6]), n[7])
      (firstMean, secondMean) = (all[9], all[10])
      mean = all[8]
    }
  }

  fileprivate static func measure(
    _ image: UnsafePointer<Float>, pixels: Int, _ fit: BackgroundFit, noisePassed: Double
  ) -> Measured {
    var (low, high) = (image[0], image[0])
    var probe: Float = 0
    for i in 0..<pixels {
      low = min(low, image[i])
      high = max(high, image[i])
      // 0 * NaN and 0 * infinity are NaN, and stay so.
      probe += image[i] * 0
    }
    if probe.isNaN { return Measured(defect: .notFinite) }
    if low == high { return Measured(defect: .constant) }
    let background = fit.fit(image)
    // Below any square of a pixel, and far enough from 0 for what is divided by it.
    func logarithm(_ variance: Double) -> Float {
      Float(log(max(variance / max(noisePassed, 1e-6), 1e-100)))
    }
    var result = Measured()
    result.logVariance = logarithm(background.variance)
    result.logFirst = logarithm(background.halves.first)
    result.logSecond = logarithm(background.halves.second)
    result.logFine = logarithm(background.fineVariance)
    result.extreme = Float(min(background.extreme, 1e30))
    result.outliers = background.outliers
    result.slopeChi = Float(min(background.slopeChi, 1e30))
    result.mean = background.mean
    (result.firstMean, result.secondMean) = background.halfMeans
    return result
  }
}
