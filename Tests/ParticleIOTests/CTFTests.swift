import Foundation
import ParticleIO
import Testing

@Suite struct CTFTests {
  let astigmatic = CTFParameters(
    voltage: 200, sphericalAberration: 2.0, amplitudeContrast: 0.07, defocusU: 21000,
    defocusV: 18000, defocusAngle: 30, phaseShift: 40, bFactor: 60, scale: 0.8)

  /// RELION's `CTF::getCTF`, with its constants K1 to K5 and the matrix Q, as published.
  func relion(_ p: CTFParameters, _ x: Double, _ y: Double) -> Double {
    let volts = p.voltage * 1000
    let lambda = 12.2643247 / sqrt(volts * (1 + volts * 0.978466e-6))
    let k1 = Double.pi * lambda
    let k2 = Double.pi / 2 * p.sphericalAberration * 1e7 * pow(lambda, 3)
    let k3 = atan(p.amplitudeContrast / sqrt(1 - p.amplitudeContrast * p.amplitudeContrast))
    let k4 = -p.bFactor / 4
    let k5 = p.phaseShift / 180 * Double.pi
    let azimuth = p.defocusAngle / 180 * Double.pi
    let u = cos(azimuth) * x + sin(azimuth) * y
    let v = -sin(azimuth) * x + cos(azimuth) * y
    let quadratic = -p.defocusU * u * u - p.defocusV * v * v
    let u2 = x * x + y * y
    return p.scale * -sin(k1 * quadratic + k2 * u2 * u2 - k5 - k3) * exp(k4 * u2)
  }

  @Test func agreesWithRELIONsFormula() {
    for i in -8...8 {
      for j in -8...8 {
        let (kx, ky) = (Double(i) / 40, Double(j) / 40)
        #expect(abs(astigmatic.value(kx: kx, ky: ky) - relion(astigmatic, kx, ky)) < 1e-9)
      }
    }
  }

  @Test(arguments: [(300.0, 0.019687), (200.0, 0.025079), (100.0, 0.037014)])
  func wavelengthIsTheTabulatedOne(voltage: Double, lambda: Double) {
    var parameters = astigmatic
    parameters.voltage = voltage
    #expect(abs(parameters.wavelength - lambda) < 1e-6)
  }

  @Test func zerosLieWhereThePhaseIsAMultipleOfPi() {
    let p = CTFParameters(
      voltage: 300, sphericalAberration: 2.7, amplitudeContrast: 0.1, defocusU: 15000,
      defocusV: 15000)
    // pi/2 Cs lambda^3 u^2 - pi lambda z u + n pi - asin(w) = 0 for u = k^2.
    let a = Double.pi / 2 * 2.7e7 * pow(p.wavelength, 3)
    let b = Double.pi * p.wavelength * 15000
    for n in 1...4 {
      let c = Double(n) * Double.pi - asin(0.1)
      let k = sqrt((b - sqrt(b * b - 4 * a * c)) / (2 * a))
      #expect(abs(p.radialValue(at: k)) < 1e-9)
      #expect(p.radialValue(at: k - 1e-3) * p.radialValue(at: k + 1e-3) < 0)
    }
  }

  @Test func isPositiveAtLowFrequencyForUnderfocus() {
    let p = CTFParameters(
      voltage: 300, sphericalAberration: 2.7, amplitudeContrast: 0.1, defocusU: 15000,
      defocusV: 15000)
    #expect(abs(p.radialValue(at: 0) - 0.1) < 1e-12)
    #expect(p.radialValue(at: 0.02) > 0.3)
    // Overfocus turns the phase the other way, so that the sign changes.
    var over = p
    (over.defocusU, over.defocusV) = (-15000, -15000)
    #expect(over.radialValue(at: 0.02) < -0.1)
  }

  @Test func defocusUIsSeenAlongTheDefocusAngle() {
    func radial(_ defocus: Double) -> Double {
      var p = astigmatic
      (p.defocusU, p.defocusV) = (defocus, defocus)
      return p.radialValue(at: 0.05)
    }
    let (c, s) = (0.05 * cos(Double.pi / 6), 0.05 * sin(Double.pi / 6))
    #expect(abs(astigmatic.value(kx: c, ky: s) - radial(21000)) < 1e-12)
    #expect(abs(astigmatic.value(kx: -s, ky: c) - radial(18000)) < 1e-12)
    #expect(abs(radial(21000) - radial(18000)) > 0.02)
    #expect(abs(astigmatic.radialValue(at: 0.05) - radial(19500)) < 1e-12)
  }

  @Test func identityIsOneEverywhere() {
    #expect(CTFParameters.identity.value(kx: 0.31, ky: -0.2) == 1)
    #expect(CTFParameters.identity.radialValue(at: 0.4) == 1)
  }
}
