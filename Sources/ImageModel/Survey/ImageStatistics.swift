import Foundation
import MPI
import ParticleIO

/// Why a particle is left out of a run.
public enum ParticleDefect: Int, Sendable {
  /// A pixel is not a number or infinite.
  case notFinite = 1
  /// All pixels are equal.
  case constant = 2

  /// In words, for messages.
  public var description: String {
    switch self {
    case .notFinite: "NaN or infinite pixels"
    case .constant: "all pixels are equal"
    }
  }
}

/// What one pass over an image tells: its background, and how its signal is spread over radii and
/// spatial frequencies.
struct ImageProfile {
  package var defect: ParticleDefect?
  /// Sum and sum of squares of the pixels outside the particle radius.
  var backgroundSum = 0.0
  var backgroundSquares = 0.0
  /// Sum of squares of the CTF-weighted image's pixels at each radius (rounded, pixels).
  package var radial: [Double] = []
  /// Power of the CTF-weighted image at each shell (rounded, grid steps), |DFT|^2 / pixels.
  package var power: [Double] = []
  /// Sum of the squared CTF at each shell: the expected power of unit white noise.
  var noisePower: [Double] = []
  /// Sum of the fourth power of the CTF at each shell: the power of a signal of unit power.
  var signalPower: [Double] = []
  /// Mean of the squared CTF over the whole grid, corners beyond the last shell included: the variance
  /// of a pixel of CTF-weighted unit white noise.
  var noisePassed = 0.0
}

/// Sums of the images' profiles over all ranks: noise variance, band limit and radius come from it.
public struct ImageStatistics: Sendable {
  /// Images that entered.
  public let count: Int
  /// Pixels outside the particle radius, in each image.
  public let backgroundPixels: Int
  /// Mean over images of the background's mean and of its mean square.
  public let backgroundMean: Double
  /// Mean over images of the background's mean square.
  public let backgroundMeanSquare: Double
  /// Whether images should be brought to background mean 0 and variance 1 first: their backgrounds
  /// differ by more than noise explains.
  public let needsNormalization: Bool
  /// Means over images, per shell; see `ImageProfile`.
  package let radial: [Double]
  package let power: [Double]
  let noisePower: [Double]
  let signalPower: [Double]
  /// Mean over images of the variance of a pixel of CTF-weighted unit white noise.
  let noisePassed: Double

  /// The variance of white noise, from the pixels outside the particle radius.
  public var noiseVariance: Double { needsNormalization ? 1 : backgroundMeanSquare }

  /// The energy that the clean images have on each shell, undoing the CTF, and the variance that the noise
  /// leaves it; infinite on a shell that no CTF passes.
  package func signalEnergy(size: Int, noiseVariance: Double) -> [(
    energy: Double, variance: Double
  )] {
    let points = Self.pointsPerShell(size: size)
    return power.indices.map { shell in
      guard signalPower[shell] > 0 else { return (0, .infinity) }
      let scale = Double(points[shell]) / signalPower[shell]
      return (
        scale * (power[shell] - noiseVariance * noisePower[shell]),
        2 * scale * scale * noiseVariance * noiseVariance * signalPower[shell]
          / Double(max(1, count))
      )
    }
  }

  /// The smallest band limit (cycles per pixel) that holds `share` of the signal's power, of the
  /// CTF-weighted images, noise taken off.
  public func bandLimit(share: Double, size: Int, noiseVariance: Double) -> Double {
    let excess = zip(power, noisePower).map { $0 - noiseVariance * $1 }
    return min(0.5, (Double(Self.shell(holding: share, of: excess)) + 1) / Double(size))
  }

  /// The smallest radius (pixels) that holds `share` of the signal's energy, of the CTF-weighted
  /// images, noise taken off.
  public func radius(share: Double, size: Int, noiseVariance: Double) -> Double {
    let noise = noiseVariance * noisePassed
    let points = Self.pointsPerShell(size: size)
    let excess = zip(radial, points).map { $0 - noise * Double($1) }
    return min(Double(size / 2), Double(Self.shell(holding: share, of: excess)) + 1)
  }

  /// The first index at which the running sum reaches `share` of its largest value.
  private static func shell(holding share: Double, of excess: [Double]) -> Int {
    var sums: [Double] = []
    for value in excess { sums.append((sums.last ?? 0) + value) }
    let largest = sums.max() ?? 0
    guard largest > 0 else { return excess.count - 1 }
    return sums.firstIndex { $0 >= share * largest } ?? excess.count - 1
  }

  /// How many pixels lie at each rounded radius up to size / 2.
  package static func pointsPerShell(size: Int) -> [Int] {
    var points = [Int](repeating: 0, count: size / 2 + 1)
    for row in 0..<size {
      for column in 0..<size {
        let r = hypot(Double(row - size / 2), Double(column - size / 2)).rounded()
        if Int(r) < points.count { points[Int(r)] += 1 }
      }
    }
    return points
  }

  /// Adds the profiles of all ranks' images. Collective; the result's bits do not depend on the
  /// number of ranks.
  /// - Parameter mayNormalize: false where the noise variance is given, in units of the images as they are.
  static func sum(
    _ profiles: [ImageProfile], backgroundPixels: Int, size: Int, mayNormalize: Bool,
    on comm: Communicator
  ) throws -> ImageStatistics {
    let shells = size / 2 + 1
    let pixels = Double(backgroundPixels)
    let rows = profiles.filter { $0.defect == nil }.map { profile -> [Double] in
      let mean = profile.backgroundSum / pixels
      // Below any square of a pixel, and far enough from 0 for what is divided by it.
      let variance = max(profile.backgroundSquares / pixels - mean * mean, 1e-100)
      let own = [
        mean, profile.backgroundSquares / pixels, mean * mean / variance, variance,
        variance.squareRoot(), log(variance), profile.noisePassed,
      ]
      let shape = profile.radial + profile.power
      return own + shape + shape.map { $0 / variance } + profile.noisePower + profile.signalPower
    }
    let width = 7 + 6 * shells
    let count = try comm.allreduce(rows.count)
    var bounds = [Double](repeating: 0, count: width)
    for row in rows { for i in 0..<width { bounds[i] = max(bounds[i], abs(row[i])) } }
    try comm.allreduce(&bounds, .maximum)
    var sums = bounds.map { FixedPointSum(count: 1, bound: $0, terms: count) }
    for row in rows { for i in 0..<width { sums[i].add(row[i]) } }
    let means = try FixedPointSum.reduced(sums, over: comm).map { $0[0] / Double(max(1, count)) }
    // Sampling alone scatters the mean by variance / pixels and the standard deviation by
    // variance / (2 pixels).
    let offset = means[2] * pixels
    let spread = (means[3] - means[4] * means[4]) / means[3] * 2 * pixels
    let scaled = mayNormalize && (offset > 4 || spread > 8)
    let start = 7 + (scaled ? 2 * shells : 0)
    return ImageStatistics(
      count: count, backgroundPixels: backgroundPixels, backgroundMean: means[0],
      backgroundMeanSquare: means[1], needsNormalization: scaled,
      radial: Array(means[start..<start + shells]),
      power: Array(means[start + shells..<start + 2 * shells]),
      noisePower: Array(means[7 + 4 * shells..<7 + 5 * shells]),
      signalPower: Array(means[7 + 5 * shells..<width]), noisePassed: means[6])
  }
}

/// Measures the profiles of images; one instance a thread.
final class ImageProfiler {
  private let size: Int
  private let weighting: CTFWeighting
  private let background: [Int]
  /// Shell of each pixel and of each point of the half grid, -1 beyond the last.
  private let pixelShell: [Int]
  private let gridShell: [Int]

  /// - Parameter radius: particle radius in pixels; the background lies outside.
  init(size: Int, pixelSize: Double, radius: Double) {
    self.size = size
    weighting = CTFWeighting(size: size, pixelSize: pixelSize)
    let shells = size / 2 + 1
    func shell(_ row: Int, _ column: Int) -> Int {
      let r = Int(hypot(Double(row), Double(column)).rounded())
      return r < shells ? r : -1
    }
    background = (0..<size * size).filter {
      hypot(Double($0 / size - size / 2), Double($0 % size - size / 2)) > radius
    }
    pixelShell = (0..<size * size).map { shell($0 / size - size / 2, $0 % size - size / 2) }
    let columns = size / 2 + 1
    gridShell = (0..<size * columns).map {
      let row = $0 / columns
      return shell(row <= (size - 1) / 2 ? row : row - size, $0 % columns)
    }
  }

  var backgroundPixels: Int { background.count }

  package func measure(_ image: UnsafePointer<Float>, ctf: CTFParameters, optics: OpticsGroup)
    -> ImageProfile
  {
    var profile = ImageProfile()
    var (low, high) = (image[0], image[0])
    var probe: Float = 0
    for i in 0..<size * size {
      low = min(low, image[i])
      high = max(high, image[i])
      // 0 * NaN and 0 * infinity are NaN, and stay so.
      probe += image[i] * 0
    }
    if probe.isNaN {
      profile.defect = .notFinite
    } else if low == high {
      profile.defect = .constant
    }
    if profile.defect != nil { return profile }

    for i in background {
      let value = Double(image[i])
      profile.backgroundSum += value
      profile.backgroundSquares += value * value
    }
    let shells = size / 2 + 1
    profile.radial = .init(repeating: 0, count: shells)
    profile.power = profile.radial
    profile.noisePower = profile.radial
    profile.signalPower = profile.radial
    weighting.image.update(from: image, count: size * size)
    let columns = size / 2 + 1
    let normalization = 1 / Double(size * size)
    weighting.apply(ctf, optics: optics) { [self] spectrum, weights in
      for i in 0..<gridShell.count {
        let column = i % columns
        // Columns that have a mirror image count twice.
        let twice: Double = column == 0 || 2 * column == size ? 1 : 2
        let passed = twice * Double(weights[i] * weights[i])
        profile.noisePassed += passed * normalization
        if gridShell[i] < 0 { continue }
        let value = spectrum[i]
        profile.power[gridShell[i]] +=
          twice * normalization * Double(value.x * value.x + value.y * value.y)
        profile.noisePower[gridShell[i]] += passed
        profile.signalPower[gridShell[i]] += passed * Double(weights[i] * weights[i])
      }
    }
    if optics.isCTFPremultiplied {
      // The background of such an image is noise that the CTF has filtered.
      profile.backgroundSquares /= max(profile.noisePassed, 1e-12)
    }
    for i in 0..<size * size where pixelShell[i] >= 0 {
      profile.radial[pixelShell[i]] += Double(weighting.image[i] * weighting.image[i])
    }
    return profile
  }
}
