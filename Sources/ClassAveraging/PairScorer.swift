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

/// Scores pairs of images over all in-plane rotations and both reflections (method E.5): per pair one
/// inner product per angular frequency, whose four real products serve both reflections, and one inverse
/// FFT, whose real part is the image as it is and whose imaginary part the reflected one. 16 pairs side by
/// side. One instance a thread.
final class PairScorer {
  private let model: PairModel
  private let fft: LaneFFT
  /// 16 second images and their weights: [component * 2 + part][lane].
  private var second: [SIMD16<Float>]
  private var first: [SIMD16<Float>]
  /// c_k of the 16 pairs as they are and reflected, [block * 4 + (re, im, reflected re, im)].
  private var spectra: [SIMD16<Float>]
  private var offsets = SIMD16<Float>.zero
  private var filled = 0

  init(model: PairModel) {
    self.model = model
    let highest = model.layout.frequencies.last ?? 0
    fft = LaneFFT(length: Self.angleCount(highest: highest))
    second = .init(repeating: .zero, count: model.layout.componentCount * 2)
    first = second
    spectra = .init(repeating: .zero, count: model.layout.blockCount * 4)
  }

  /// Angles on the grid: four a period of the highest frequency, so that a parabola finds the peak.
  static func angleCount(highest: Int) -> Int { fastTransformLength(atLeast: max(32, 4 * highest)) }

  /// Adds a pair to the batch.
  /// - Parameters:
  ///   - w: P_gh b_i of the first image; b: b_j of the second; both component-major, (re, im).
  ///   - offset: constant_gh + self_i(h) + self_j(g).
  func add(weighted w: UnsafePointer<Float>, second b: UnsafePointer<Float>, offset: Float) {
    let lane = filled
    second.withUnsafeMutableBytes { bytes in
      let target = bytes.assumingMemoryBound(to: Float.self).baseAddress! + lane
      for i in 0..<model.layout.componentCount * 2 { target[16 * i] = b[i] }
    }
    first.withUnsafeMutableBytes { bytes in
      let target = bytes.assumingMemoryBound(to: Float.self).baseAddress! + lane
      for i in 0..<model.layout.componentCount * 2 { target[16 * i] = w[i] }
    }
    offsets[lane] = offset
    filled += 1
  }

  var isFull: Bool { filled == 16 }

  /// Scores the batch, empties it, and hands out its scores in the order in which pairs were added.
  /// - Parameter onlyReflected: true or false where the reflection is given already.
  func flush(onlyReflected: Bool? = nil, _ body: (Int, PairScore) -> Void) {
    if filled == 0 { return }
    correlate()
    synthesize()
    let peaks = findPeaks(onlyReflected)
    for lane in 0..<filled { body(lane, refine(lane: lane, start: peaks[lane])) }
    filled = 0
  }

  /// c_k = w^H b and, reflected, w^H conj(b), summed over each block's components.
  private func correlate() {
    let layout = model.layout
    for block in 0..<layout.blockCount {
      var (ac, bd) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
      var (ad, bc) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
      for component in layout.components(ofBlock: block) {
        let (a, b) = (first[2 * component], first[2 * component + 1])
        let (c, d) = (second[2 * component], second[2 * component + 1])
        ac.addProduct(a, c)
        bd.addProduct(b, d)
        ad.addProduct(a, d)
        bc.addProduct(b, c)
      }
      spectra[4 * block] = ac + bd
      spectra[4 * block + 1] = ad - bc
      spectra[4 * block + 2] = ac - bd
      spectra[4 * block + 3] = -ad - bc
    }
  }

  /// Fills the angular grid: real part the image as it is, imaginary part the reflected one.
  private func synthesize() {
    let n = fft.length
    for i in 0..<2 * n { fft.values[i] = .zero }
    for (block, k) in model.layout.frequencies.enumerated() {
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

  private struct Peak {
    var reflected: Bool
    var angle: Double
  }

  /// The best grid angle of each lane and reflection, refined by a parabola; the better of the two.
  private func findPeaks(_ onlyReflected: Bool?) -> [Peak] {
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
    return (0..<filled).map { lane in
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
      return Peak(reflected: reflected, angle: reflected ? mirror.angle : direct.angle)
    }
  }

  /// One step of Newton's method on the trigonometric sum itself, then its value there.
  private func refine(lane: Int, start: Peak) -> PairScore {
    let part = start.reflected ? 2 : 0
    func derivatives(at angle: Double) -> (value: Double, slope: Double, curvature: Double) {
      var (value, slope, curvature) = (0.0, 0.0, 0.0)
      let turn = SIMD2(cos(angle), sin(angle))
      var phase = SIMD2(1.0, 0.0)
      var k = 0
      for (block, frequency) in model.layout.frequencies.enumerated() {
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
      affinity: Float(value) + offsets[lane], rotation: Float(remainder(angle, 2 * .pi)),
      reflected: start.reflected ? 1 : 0)
  }
}
