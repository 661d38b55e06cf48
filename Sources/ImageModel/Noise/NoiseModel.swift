import Foundation

/// How strong the noise is at each spatial frequency, the same in all directions: P(k) + P'(k) CTF(k)^2. What the
/// detector adds has not passed the CTF; what lies in the ice beside the particles has (method E.2.1).
public struct NoiseSpectrum: Sendable, Equatable {
  /// The power P, |DFT|^2 / pixels, at 0, 1, 2, ... steps of the image's Fourier grid, as far as the grid's corner;
  /// white noise has its pixels' variance everywhere.
  public let power: [Double]
  /// P' at the same steps: the power before the CTF of what has passed it.
  public let passed: [Double]
  /// The mean squared CTF of the images at the same steps.
  public let meanSquare: [Double]

  /// A spectrum with these powers at each step of the grid.
  public init(power: [Double], passed: [Double]? = nil, meanSquare: [Double]? = nil) {
    self.power = power
    self.passed = passed ?? power.map { _ in 0 }
    self.meanSquare = meanSquare ?? power.map { _ in 0 }
  }

  /// White noise.
  public init(variance: Double, size: Int) {
    self.init(power: .init(repeating: variance, count: Self.count(size: size)))
  }

  /// Grid steps from the origin to the corner, both counted.
  static func count(size: Int) -> Int { Int((Double(size) / 2.0.squareRoot()).rounded(.up)) + 2 }

  /// Whether it is the same at all frequencies.
  public var isWhite: Bool { power.allSatisfy { $0 == power[0] } && !hasPassed }

  /// Whether some of it has passed the CTF.
  public var hasPassed: Bool { passed.contains { $0 > 0 } }

  /// The largest power over the smallest, from the third grid step to the end of the last shell: lower ones hold what
  /// is left of the background.
  func colour(size: Int) -> Double {
    let all = (3...max(3, size / 2)).map { power(at: Double($0), squaredCTF: meanSquare[$0]) }
    return all.max()! / max(all.min()!, 1e-30)
  }

  /// The share of the variance that has passed the CTF.
  var passedShare: Double {
    var (part, total) = (0.0, 0.0)
    for step in power.indices {
      part += Double(step) * passed[step] * meanSquare[step]
      total += Double(step) * (power[step] + passed[step] * meanSquare[step])
    }
    return total > 0 ? part / total : 0
  }

  /// The same noise of images that are divided by a number whose square is `factor`.
  func divided(by factor: Double) -> NoiseSpectrum {
    NoiseSpectrum(
      power: power.map { $0 / factor }, passed: passed.map { $0 / factor }, meanSquare: meanSquare)
  }

  /// The variance of a pixel: the mean power over the grid.
  public func pixelVariance(size: Int) -> Double {
    if isWhite { return power[0] }
    var sum = 0.0
    for row in 0..<size {
      for column in 0..<size {
        let (y, x) = (Double(row - size / 2), Double(column - size / 2))
        let distance = (x * x + y * y).squareRoot()
        sum += power(at: distance, squaredCTF: Self.value(meanSquare, at: distance))
      }
    }
    return sum / Double(size * size)
  }

  /// The power at a distance from the grid's origin, in grid steps, from the two nearest steps; the squared CTF there
  /// is `square`.
  public func power(at distance: Double, squaredCTF square: Double) -> Double {
    Self.value(power, at: distance) + square * Self.value(passed, at: distance)
  }

  private static func value(_ values: [Double], at distance: Double) -> Double {
    let at = min(distance, Double(values.count - 1))
    let step = min(Int(at), values.count - 2)
    let part = at - Double(step)
    return (1 - part) * values[step] + part * values[step + 1]
  }
}

/// The noise of all images: each optics group has a spectrum, alone or with others. Images and their CTFs are divided
/// by its square root (whitened, method E.2), after which the noise is white, of variance 1.
public struct NoiseModel: Sendable, Equatable {
  /// The noise group of each optics group.
  public let groupOfOptics: [Int]
  /// The spectrum of each noise group.
  public let spectra: [NoiseSpectrum]

  /// Groups with their spectra.
  public init(groupOfOptics: [Int], spectra: [NoiseSpectrum]) {
    self.groupOfOptics = groupOfOptics
    self.spectra = spectra
  }

  /// White noise of one variance for so many optics groups.
  public init(variance: Double, size: Int, opticsGroups: Int) {
    self.init(
      groupOfOptics: .init(repeating: 0, count: opticsGroups),
      spectra: [NoiseSpectrum(variance: variance, size: size)])
  }

  /// The spectrum of an optics group.
  public func spectrum(ofOptics group: Int) -> NoiseSpectrum { spectra[groupOfOptics[group]] }
}
