import Foundation
import ImageModel

/// A sample of the terms of the bispectrum of steerable coefficients: products of three components whose
/// phases under rotation cancel,
///
///     b = a_{k1 q1} a_{k2 q2} conj(a_{k1+k2, q3}),    0 < k2 <= k1,
///
/// unchanged by rotation and conjugated by reflection (Zhao and Singer 2014, section 3).
public struct Bispectrum: Sendable {
  /// A product a_first a_second conj(a_conjugated), by component.
  public struct Term: Sendable, Hashable {
    /// The component a_{k1 q1}.
    public let first: Int32
    /// The component a_{k2 q2}.
    public let second: Int32
    /// The component a_{k1+k2, q3}, which enters conjugated.
    public let conjugated: Int32

    /// The product of these components.
    public init(first: Int, second: Int, conjugated: Int) {
      self.first = Int32(first)
      self.second = Int32(second)
      self.conjugated = Int32(conjugated)
    }
  }

  /// Which terms with the frequency k = 0 belong to the population that is sampled.
  public struct ZeroFrequency: OptionSet, Sendable {
    public let rawValue: Int
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// a_{0q} a_{k q1} conj(a_{k q2}), k > 0, q1 <= q2 (the other order is its conjugate).
    public static let products = ZeroFrequency(rawValue: 1)
    /// a_{0q} a_{0q} conj(a_{0q}): with the amplitude exponent 1/3, the plain a_{0q}.
    public static let plain = ZeroFrequency(rawValue: 2)
  }

  /// How terms are chosen and coefficients prepared.
  public struct Options: Sendable {
    /// The number of terms to draw, at most as many as there are.
    public var termCount = 50_000
    /// Amplitudes |a| become |a|^amplitudeExponent, phases stay.
    public var amplitudeExponent: Float = 1 / 3
    /// Terms with the frequency 0.
    public var zeroFrequency: ZeroFrequency = []
    /// A term is drawn in proportion to the product of its components' weights to this power.
    public var weightExponent = 1.0 / 3
    /// Fixes the draw.
    public var seed: UInt64 = 1

    /// The defaults.
    public init() {}
  }

  /// The components that the terms refer to.
  public let layout: AngularLayout
  /// The terms drawn, without repeats, ascending by (first, second).
  public let terms: [Term]
  /// |a| becomes |a| to this power.
  public let amplitudeExponent: Float

  /// Draws terms without replacement, the same on every rank.
  ///
  /// - Parameters:
  ///   - layout: of the coefficients.
  ///   - weights: one for each component, such as its variance; terms of weight 0 are left out.
  ///   - options: how many terms, which, and the seed.
  public init(layout: AngularLayout, weights: [Double], options: Options = Options()) {
    precondition(weights.count == layout.componentCount, "a weight for each component")
    let factors = weights.map { $0 > 0 ? pow($0, options.weightExponent) : 0 }
    var sample = WeightedSample<Term>(capacity: options.termCount, seed: options.seed)
    Self.forEachTerm(of: layout, zeroFrequency: options.zeroFrequency) {
      first, second, conjugated in
      sample.offer(
        Term(first: first, second: second, conjugated: conjugated),
        weight: factors[first] * factors[second] * factors[conjugated])
    }
    self.layout = layout
    terms = sample.elements
    amplitudeExponent = options.amplitudeExponent
  }

  /// Calls `body` with the components of every distinct term, ascending by (first, second).
  static func forEachTerm(
    of layout: AngularLayout, zeroFrequency: ZeroFrequency, _ body: (Int, Int, Int) -> Void
  ) {
    let blockOfFrequency = Dictionary(
      uniqueKeysWithValues: layout.frequencies.enumerated().map { ($1, $0) })
    for (block1, k1) in layout.frequencies.enumerated() {
      for first in layout.components(ofBlock: block1) {
        if k1 == 0 {
          if zeroFrequency.contains(.plain) { body(first, first, first) }
          guard zeroFrequency.contains(.products) else { continue }
          for block in layout.frequencies.indices where layout.frequencies[block] > 0 {
            let components = layout.components(ofBlock: block)
            for second in components {
              for conjugated in second..<components.upperBound { body(first, second, conjugated) }
            }
          }
          continue
        }
        for block2 in 0...block1 where layout.frequencies[block2] > 0 {
          guard let block3 = blockOfFrequency[k1 + layout.frequencies[block2]] else { continue }
          for second in layout.components(ofBlock: block2) where second <= first {
            for conjugated in layout.components(ofBlock: block3) { body(first, second, conjugated) }
          }
        }
      }
    }
  }

  /// The coefficients that products are formed of: every image divided by its norm
  /// (sum_k m_k |a_k|^2)^(1/2), m_0 = 1, m_k = 2, then |a| replaced by |a|^amplitudeExponent.
  public func prepared(_ coefficients: SteerableCoefficients) -> SteerableCoefficients {
    precondition(coefficients.layout == layout, "coefficients of another layout")
    var result = coefficients
    let multiplicities = layout.frequencyOfComponent.map { $0 == 0 ? Float(1) : 2 }
    let half = (amplitudeExponent - 1) / 2
    let components = layout.componentCount
    for group in 0..<result.laneGroupCount {
      let start = group * components * 2
      var energy = SIMD16<Float>.zero
      for component in 0..<components {
        let re = result.lanes[start + 2 * component]
        let im = result.lanes[start + 2 * component + 1]
        energy += (re * re + im * im) * multiplicities[component]
      }
      var inverse = SIMD16<Float>.zero
      for lane in 0..<16 where energy[lane] > 0 { inverse[lane] = 1 / energy[lane].squareRoot() }
      for component in 0..<components {
        let re = result.lanes[start + 2 * component] * inverse
        let im = result.lanes[start + 2 * component + 1] * inverse
        let square = re * re + im * im
        var factor = SIMD16<Float>.zero
        for lane in 0..<16 where square[lane] > 0 { factor[lane] = pow(square[lane], half) }
        result.lanes[start + 2 * component] = re * factor
        result.lanes[start + 2 * component + 1] = im * factor
      }
    }
    return result
  }

  /// Computes terms of prepared coefficients, 16 images at a time.
  ///
  /// - Parameters:
  ///   - groups, terms: which images and which terms.
  ///   - real, imaginary: the results; term t of group g goes to
  ///     `[(t - terms.lowerBound) * stride + g - groups.lowerBound]`.
  func evaluate(
    _ prepared: SteerableCoefficients, groups: Range<Int>, terms range: Range<Int>,
    real: UnsafeMutablePointer<SIMD16<Float>>, imaginary: UnsafeMutablePointer<SIMD16<Float>>,
    stride: Int
  ) {
    let components = layout.componentCount
    prepared.lanes.withUnsafeBufferPointer { lanes in
      terms.withUnsafeBufferPointer { terms in
        for group in groups {
          let a = lanes.baseAddress! + group * components * 2
          var out = group - groups.lowerBound
          for index in range {
            let term = terms[index]
            let (i, j, k) = (Int(term.first) * 2, Int(term.second) * 2, Int(term.conjugated) * 2)
            let re = a[i] * a[j] - a[i + 1] * a[j + 1]
            let im = a[i] * a[j + 1] + a[i + 1] * a[j]
            real[out] = re * a[k] + im * a[k + 1]
            imaginary[out] = im * a[k] - re * a[k + 1]
            out += stride
          }
        }
      }
    }
  }
}
