import Foundation

/// What determines one image's contrast transfer function (CTF).
public struct CTFParameters: BitwiseCopyable, Sendable, Hashable {
  /// Acceleration voltage in kV.
  public var voltage: Double
  /// Spherical aberration in mm.
  public var sphericalAberration: Double
  /// Amplitude contrast w, 0 to 1.
  public var amplitudeContrast: Double
  /// Defocus along the axis at `defocusAngle`, in A; positive is underfocus.
  public var defocusU: Double
  /// Defocus across that axis, in A.
  public var defocusV: Double
  /// Angle from the x axis to the axis of `defocusU`, in degrees, counterclockwise for y upwards
  /// (towards increasing row index).
  public var defocusAngle: Double
  /// Phase shift of a phase plate, in degrees.
  public var phaseShift: Double
  /// RELION's B factor in A^2: the envelope is exp(-B/4 k^2).
  public var bFactor: Double
  /// A factor on the whole function.
  public var scale: Double

  /// Parameters with these values.
  public init(
    voltage: Double, sphericalAberration: Double, amplitudeContrast: Double, defocusU: Double,
    defocusV: Double, defocusAngle: Double = 0, phaseShift: Double = 0, bFactor: Double = 0,
    scale: Double = 1
  ) {
    self.voltage = voltage
    self.sphericalAberration = sphericalAberration
    self.amplitudeContrast = amplitudeContrast
    self.defocusU = defocusU
    self.defocusV = defocusV
    self.defocusAngle = defocusAngle
    self.phaseShift = phaseShift
    self.bFactor = bFactor
    self.scale = scale
  }

  /// Parameters whose transfer function is 1 everywhere: amplitude contrast only, in focus.
  /// Particles read without their CTF carry these.
  public static let identity = CTFParameters(
    voltage: 300, sphericalAberration: 0, amplitudeContrast: 1, defocusU: 0, defocusV: 0)

  /// The electrons' wavelength in A, relativistically corrected (RELION's constants).
  public var wavelength: Double {
    let volts = voltage * 1e3
    return 12.2643247 / (volts * (1 + volts * 0.978466e-6)).squareRoot()
  }

  /// The mean of the two defocus values, in A.
  public var meanDefocus: Double { (defocusU + defocusV) / 2 }

  /// The CTF at the spatial frequency (kx, ky) in 1/A, astigmatism included; positive at low
  /// frequency for underfocus.
  ///
  /// Many frequencies of one image: `ContrastTransferFunction` computes the constants once.
  public func value(kx: Double, ky: Double) -> Double {
    ContrastTransferFunction(self).value(kx: kx, ky: ky)
  }

  /// The CTF at spatial frequency `k` in 1/A with the mean defocus, as a steerable basis needs it.
  public func radialValue(at k: Double) -> Double {
    ContrastTransferFunction(self).radialValue(at: k)
  }
}

/// A CTF whose constants are computed, for evaluation at many frequencies.
///
///     gamma(k) = pi lambda z k^2 - pi/2 Cs lambda^3 k^4 + phase shift + asin(w)
///     CTF(k)   = scale sin(gamma) exp(-B/4 k^2)
///     z(theta) = (zU + zV)/2 + (zU - zV)/2 cos 2(theta - angle)
///
/// This is RELION's CTF (`src/ctf.h`), with the sign of data whose particles are white.
public struct ContrastTransferFunction: BitwiseCopyable, Sendable {
  // z(theta) k^2 = mean k^2 + cosine (kx^2 - ky^2) + sine 2 kx ky: no angle is needed.
  private let mean: Double
  private let cosine: Double
  private let sine: Double
  private let quartic: Double
  private let shift: Double
  private let decay: Double
  private let scale: Double

  /// Computes the constants of a CTF with these parameters.
  public init(_ parameters: CTFParameters) {
    let lambda = parameters.wavelength
    let half = Double.pi * lambda * (parameters.defocusU - parameters.defocusV) / 2
    let angle = 2 * parameters.defocusAngle * Double.pi / 180
    mean = Double.pi * lambda * parameters.meanDefocus
    cosine = half * cos(angle)
    sine = half * sin(angle)
    quartic = Double.pi / 2 * parameters.sphericalAberration * 1e7 * lambda * lambda * lambda
    shift = parameters.phaseShift * Double.pi / 180 + asin(parameters.amplitudeContrast)
    decay = -parameters.bFactor / 4
    scale = parameters.scale
  }

  /// The value at the spatial frequency (kx, ky) in 1/A, astigmatism included.
  public func value(kx: Double, ky: Double) -> Double {
    let k2 = kx * kx + ky * ky
    return evaluate(mean * k2 + cosine * (kx * kx - ky * ky) + sine * 2 * kx * ky, k2)
  }

  /// The value at spatial frequency `k` in 1/A with the mean defocus.
  public func radialValue(at k: Double) -> Double {
    evaluate(mean * k * k, k * k)
  }

  private func evaluate(_ defocusPhase: Double, _ k2: Double) -> Double {
    let wave = scale * sin(defocusPhase - quartic * k2 * k2 + shift)
    return decay == 0 ? wave : wave * exp(decay * k2)
  }
}
