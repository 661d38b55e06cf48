import Foundation
import Fourier
import ImageModel

/// The maximum over rotations of sum over k of Re c_k e^{ik theta}, for 16 pairs side by side, of both
/// the image as it is (c_k) and reflected (c'_k): one inverse FFT, whose real part is the one and whose
/// imaginary part the other, then a parabola, then Newton's method on the sum itself. One instance a
/// thread.
final class RotationSearch {
  private let layout: AngularLayout
  private let fft: LaneFFT
  /// c_k of the 16 pairs as they are and reflected, [block * 4 + (re, im, reflected re, im)].
  private let spectra: UnsafeMutablePointer<SIMD16<Float>>
  /// Of one lane.
  private var peaks: [Peak] = []

  init(layout: AngularLayout) {
    self.layout = layout
    fft = LaneFFT(length: Self.angleCount(highest: layout.frequencies.last ?? 0))
    spectra = .allocate(capacity: layout.blockCount * 4)
    spectra.initialize(repeating: .zero, count: layout.blockCount * 4)
  }

  deinit { spectra.deallocate() }

  /// Sets c_k and c'_k of a block, each as (re, im).
  func set(
    block: Int, _ c: (SIMD16<Float>, SIMD16<Float>),
    reflected mirrored: (SIMD16<Float>, SIMD16<Float>)
  ) {
    spectra[4 * block] = c.0
    spectra[4 * block + 1] = c.1
    spectra[4 * block + 2] = mirrored.0
    spectra[4 * block + 3] = mirrored.1
  }

  /// Angles on the grid: more than six a period of the highest frequency, so that a parabola finds the
  /// peak.
  static func angleCount(highest: Int) -> Int {
    fastTransformLength(atLeast: max(32, 6 * highest + 1))
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

  /// A local peak to within a part of the grid's step.
  private struct Peak {
    var isReflected: Bool
    var angle: Double
    /// The sum there, by a parabola.
    var value: Float
  }

  /// The two highest peaks of each lane over the grid: by a parabola through a grid value and its
  /// neighbours, none of which is larger.
  private struct TopTwo {
    var values = (SIMD16<Float>(repeating: -.infinity), SIMD16<Float>(repeating: -.infinity))
    var indices = (SIMD16<Int32>.zero, SIMD16<Int32>.zero)
    var smallest = SIMD16<Float>(repeating: .infinity)

    mutating func offer(
      _ left: SIMD16<Float>, _ middle: SIMD16<Float>, _ right: SIMD16<Float>, at t: Int
    ) {
      let slope = left - right
      let curvature = larger(2 * middle - left - right, SIMD16(repeating: .leastNormalMagnitude))
      let isPeak = (middle .>= left) .& (middle .>= right)
      let value = (middle + slope * slope / (8 * curvature))
        .replacing(with: -.infinity, where: .!isPeak)
      let index = SIMD16<Int32>(repeating: Int32(t))
      let isFirst = value .> values.0
      let isSecond = value .> values.1
      values.1.replace(with: value, where: isSecond)
      indices.1.replace(with: index, where: isSecond)
      values.1.replace(with: values.0, where: isFirst)
      indices.1.replace(with: indices.0, where: isFirst)
      values.0.replace(with: value, where: isFirst)
      indices.0.replace(with: index, where: isFirst)
      smallest = smaller(smallest, middle)
    }
  }

  /// The best alignment of each of `count` lanes. A parabola may err by a hundredth of what the sum varies
  /// by: peaks closer to the highest than that are refined as well.
  /// - Parameters:
  ///   - offsets: what the affinities have besides the sum.
  ///   - onlyReflected: true or false where the reflection is given already.
  func best(of count: Int, offsets: SIMD16<Float>, onlyReflected: Bool? = nil) -> [PairScore] {
    synthesize()
    let n = fft.length
    var tops = (TopTwo(), TopTwo())
    for t in 0..<n {
      let (before, after) = (2 * (t == 0 ? n - 1 : t - 1), 2 * (t + 1 == n ? 0 : t + 1))
      let v = fft.values
      tops.0.offer(v[before], v[2 * t], v[after], at: t)
      tops.1.offer(v[before + 1], v[2 * t + 1], v[after + 1], at: t)
    }
    return (0..<count).map { lane in
      peaks.removeAll(keepingCapacity: true)
      for (part, top) in [tops.0, tops.1].enumerated()
      where (onlyReflected ?? (part == 1)) == (part == 1) {
        for (value, index) in [(top.values.0, top.indices.0), (top.values.1, top.indices.1)]
        where value[lane] > -.infinity {
          peaks.append(peak(part: part, at: Int(index[lane]), lane: lane, value: value[lane]))
        }
      }
      let highest = peaks.map(\.value).max()!
      let room = 0.02 * (highest - min(tops.0.smallest[lane], tops.1.smallest[lane]))
      var best: PairScore?
      for peak in peaks where peak.value >= highest - room {
        let score = refine(lane: lane, start: peak, offset: offsets[lane])
        if best.map({ score.affinity > $0.affinity }) ?? true { best = score }
      }
      return best!
    }
  }

  /// The peak of a parabola through a grid value and its neighbours.
  private func peak(part: Int, at t: Int, lane: Int, value: Float) -> Peak {
    let n = fft.length
    let left = fft.values[2 * ((t + n - 1) % n) + part][lane]
    let middle = fft.values[2 * t + part][lane]
    let right = fft.values[2 * ((t + 1) % n) + part][lane]
    let curvature = left - 2 * middle + right
    let step = curvature < 0 ? (left - right) / (2 * curvature) : 0
    return Peak(
      isReflected: part == 1, angle: 2 * .pi * (Double(t) + Double(step)) / Double(n),
      value: value)
  }

  /// Newton's method on the trigonometric sum itself; its value there.
  /// - Parameter offset: what the affinity has besides the sum.
  private func refine(lane: Int, start: Peak, offset: Float) -> PairScore {
    let part = start.isReflected ? 2 : 0
    func derivatives(at angle: Double) -> (value: Double, slope: Double, curvature: Double) {
      var (value, slope, curvature) = (0.0, 0.0, 0.0)
      layout.forEachPhase(of: angle) { block, k, phase in
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
    var angle = start.angle
    var here = derivatives(at: angle)
    let limit = .pi / Double(fft.length)
    for _ in 0..<4 {
      let newton = here.curvature < 0 ? -here.slope / here.curvature : limit
      let step = newton.magnitude < limit ? newton : (here.slope < 0 ? -limit : limit)
      let there = derivatives(at: angle + step)
      if there.value <= here.value { break }
      (angle, here) = (angle + step, there)
      if abs(step) < 1e-3 * limit { break }
    }
    return PairScore(
      affinity: Float(here.value) + offset,
      alignment: Alignment(
        rotation: Float(remainder(angle, 2 * .pi)), isReflected: start.isReflected))
  }
}
