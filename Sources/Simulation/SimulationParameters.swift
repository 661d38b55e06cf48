import Foundation
import ParticleIO

/// What is simulated. The defaults are the experiment of Bhamre, Zhao, Singer (arXiv 1611.03193).
public struct SimulationParameters: Sendable {
  /// The number of images.
  public var images = 10_000
  /// Pixel size in A.
  public var pixelSize = 2.82
  /// The variance of all CTF-filtered clean pixels of the stack over the variance of the noise.
  public var signalToNoiseRatio = 1.0 / 40
  /// Image i is in group i mod `defocusGroups`.
  public var defocusGroups = 20
  /// Defocus of the first group in A, positive is underfocus.
  public var firstDefocus = 10_000.0
  /// Defocus of the last group in A; the groups are equally spaced.
  public var lastDefocus = 40_000.0
  /// Voltage in kV.
  public var voltage = 200.0
  /// Spherical aberration in mm.
  public var sphericalAberration = 2.0
  /// Amplitude contrast, 0 to 1.
  public var amplitudeContrast = sin(0.07)
  /// B in A^2 of the envelope exp(-B k^2); rlnCtfBfactor is four times this.
  public var envelope = 10.0
  /// Seed of all random numbers.
  public var seed: UInt64 = 1

  /// The smallest edge of an image in pixels.
  public static let smallestBox = 8

  /// The defaults.
  public init() {}

  /// The group of an image.
  public func defocusGroup(ofImage image: Int) -> Int { image % defocusGroups }

  /// The contrast transfer function of a group.
  public func ctf(ofGroup group: Int) -> CTFParameters {
    let step = defocusGroups > 1 ? (lastDefocus - firstDefocus) / Double(defocusGroups - 1) : 0
    let defocus = firstDefocus + step * Double(group)
    return CTFParameters(
      voltage: voltage, sphericalAberration: sphericalAberration,
      amplitudeContrast: amplitudeContrast, defocusU: defocus, defocusV: defocus,
      bFactor: 4 * envelope)
  }

  /// Throws `SimulationError` for the first value that makes no sense.
  public func validate() throws(SimulationError) {
    func require(_ condition: Bool, _ message: @autoclosure () -> String) throws(SimulationError) {
      if !condition { throw SimulationError(message()) }
    }
    try require(images >= 1, "\(images) images: at least 1 is needed")
    try require(defocusGroups >= 1, "\(defocusGroups) defocus groups: at least 1 is needed")
    let positive = [
      ("pixel size (A)", pixelSize), ("signal-to-noise ratio", signalToNoiseRatio),
      ("voltage (kV)", voltage),
    ]
    for (name, value) in positive {
      try require(value > 0 && value.isFinite, "\(name) \(value): a number above 0 is needed")
    }
    let finite = [
      ("defocus (A)", firstDefocus), ("defocus (A)", lastDefocus),
      ("spherical aberration (mm)", sphericalAberration),
    ]
    for (name, value) in finite {
      try require(value.isFinite, "\(name) \(value): a finite number is needed")
    }
    try require(
      envelope >= 0 && envelope.isFinite, "envelope \(envelope) A^2: a number from 0 is needed")
    try require(
      (0...1).contains(amplitudeContrast),
      "amplitude contrast \(amplitudeContrast): a number from 0 to 1 is needed")
  }
}

/// A simulation that cannot be made as it was asked for.
public struct SimulationError: Error, CustomStringConvertible, Sendable {
  public let description: String

  init(_ description: String) { self.description = description }
}
