import Foundation
import Fourier

/// The best alignment of a pair.
public struct PairScore: BitwiseCopyable, Sendable {
  /// The affinity at the best rotation, of the image as it is or reflected.
  public var affinity: Float
  /// Radians: rotating the second image (reflected first where `reflected` is 1) by this angle, from
  /// columns towards rows, aligns it to the first.
  public var rotation: Float
  public var reflected: UInt8
}

/// The maximum over rotations of sum over k of Re c_k e^{ik theta}, for 16 pairs side by side, of both
/// the image as it is (c_k) and reflected (c'_k): one inverse FFT, whose real part is the one and whose
/// imaginary part the other, then a parabola, then Newton's method on the sum itself. One instance a
/// thread.
final class RotationSearch {
  private let layout: AngularLayout
  private let fft: LaneFFT
  /// c_k of the 16 pairs as they are and reflected, [block * 4 + (re, im, reflected re, im)].
  var spectra: [SIMD16<Float>]

  init(layout: AngularLayout) {
    self.layout = layout
    fft = LaneFFT(length: Self.angleCount(highest: layout.frequencies.last ?? 0))
    spectra = .init(repeating: .zero, count: layout.blockCount * 4)
  }

  /// Angles on the grid: more than three a period of the highest frequency, so that a parabola finds the
  /// peak.
  static func angleCount(highest: Int) -> Int {
    fastTransformLength(atLeast: max(32, 3 * highest + 1))
  }

  /// Fills the angular grid: real part the image as it is, imaginary part the reflected one.
  private func synthesize() {
    let n = fft.length
    for i in 0..<2 * n { fft.values[i] = .zero }
    for (block, k) in layout.frequencies.enumerated() {
      let (re, im) = (spectra[4 * block], spectra[4 * block + 1])
      let (mirrorRe, mirrorIm) = (spectra[4 * block + 2], spectra[4 * block + 3])
      if k == 0 {
        fft.values[0] = re
        fft.values[1] = mirrorRe
      } else {
        // (c + i c') / 2 at k and (conj c + i conj c') / 2 at -k: Re of both sums, side by side.
        fft.values[2 * k] = (re - mirrorIm) * 0.5
        fft.values[2 * k + 1] = (im + mirrorRe) * 0.5
        fft.values[2 * (n - k)] = (re + mirrorIm) * 0.5
        fft.values[2 * (n - k) + 1] = (mirrorRe - im) * 0.5
      }
    }
    fft.transform()
  }

  /// The best angle of each lane to within a part of the grid's step.
  struct Peak {
    var reflected: Bool
    var angle: Double
    /// The sum there, by a parabola.
    var value: Float
  }

  /// The best grid angle of each lane and reflection, refined by a parabola; the better of the two.
  /// - Parameter onlyReflected: true or false where the reflection is given already.
  func peaks(of count: Int, onlyReflected: Bool? = nil) -> [Peak] {
    synthesize()
    let n = fft.length
    var best = (fft.values[0], fft.values[1])
    var at = (SIMD16<Int32>.zero, SIMD16<Int32>.zero)
    for t in 1..<n {
      let index = SIMD16<Int32>(repeating: Int32(t))
      let direct = fft.values[2 * t] .> best.0
      best.0.replace(with: fft.values[2 * t], where: direct)
      at.0.replace(with: index, where: direct)
      let mirror = fft.values[2 * t + 1] .> best.1
      best.1.replace(with: fft.values[2 * t + 1], where: mirror)
      at.1.replace(with: index, where: mirror)
    }
    return (0..<count).map { lane in
      func parabola(part: Int, at t: Int) -> (value: Float, angle: Double) {
        let left = fft.values[2 * ((t + n - 1) % n) + part][lane]
        let middle = fft.values[2 * t + part][lane]
        let right = fft.values[2 * ((t + 1) % n) + part][lane]
        let curvature = left - 2 * middle + right
        let step = curvature < 0 ? (left - right) / (2 * curvature) : 0
        return (
          middle - curvature * step * step / 2, 2 * .pi * (Double(t) + Double(step)) / Double(n)
        )
      }
      let direct = parabola(part: 0, at: Int(at.0[lane]))
      let mirror = parabola(part: 1, at: Int(at.1[lane]))
      let reflected = onlyReflected ?? (mirror.value > direct.value)
      let best = reflected ? mirror : direct
      return Peak(reflected: reflected, angle: best.angle, value: best.value)
    }
  }

  /// One step of Newton's method on the trigonometric sum itself, then its value there.
  /// - Parameter offset: what the affinity has besides the sum.
  func refine(lane: Int, start: Peak, offset: Float) -> PairScore {
    let part = start.reflected ? 2 : 0
    func derivatives(at angle: Double) -> (value: Double, slope: Double, curvature: Double) {
      var (value, slope, curvature) = (0.0, 0.0, 0.0)
      let turn = SIMD2(cos(angle), sin(angle))
      var phase = SIMD2(1.0, 0.0)
      var k = 0
      for (block, frequency) in layout.frequencies.enumerated() {
        while k < frequency {
          phase = SIMD2(phase.x * turn.x - phase.y * turn.y, phase.x * turn.y + phase.y * turn.x)
          k += 1
        }
        let (re, im) = (
          Double(spectra[4 * block + part][lane]), Double(spectra[4 * block + part + 1][lane])
        )
        let real = re * phase.x - im * phase.y
        let imaginary = re * phase.y + im * phase.x
        value += real
        slope -= Double(k) * imaginary
        curvature -= Double(k * k) * real
      }
      return (value, slope, curvature)
    }
    let here = derivatives(at: start.angle)
    var angle = start.angle
    var value = here.value
    if here.curvature < 0 {
      let limit = .pi / Double(fft.length)
      let step = max(-limit, min(limit, -here.slope / here.curvature))
      let there = derivatives(at: start.angle + step)
      if there.value > value { (angle, value) = (start.angle + step, there.value) }
    }
    return PairScore(
      affinity: Float(value) + offset, rotation: Float(remainder(angle, 2 * .pi)),
      reflected: start.reflected ? 1 : 0)
  }
}
