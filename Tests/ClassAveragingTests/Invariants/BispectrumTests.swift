import Foundation
import TestSupport
import Testing

@testable import ClassAveraging
@testable import ImageModel

@Suite("Bispectrum")
struct BispectrumTests {
  static let layout = AngularLayout(frequencies: [0, 1, 2, 3, 5, 6], counts: [2, 3, 2, 1, 2, 1])

  /// `count` random images; unused lanes stay zero.
  static func randomImages(
    _ count: Int, layout: AngularLayout = layout, seed: UInt64 = 3
  ) -> SteerableCoefficients {
    var result = SteerableCoefficients(layout: layout, count: count)
    let numbers = randomNumbers(2 * count * layout.componentCount, seed: seed)
    for (component, k) in layout.frequencyOfComponent.enumerated() {
      for image in 0..<count {
        let place = 2 * (image * layout.componentCount + component)
        let im = k == 0 ? 0 : numbers[place + 1]
        result.setValue((Float(numbers[place]), Float(im)), image: image, component: component)
      }
    }
    return result
  }

  /// Image i turned by `angles[i]`, and reflected first where `reflect` says so.
  static func transformed(
    _ images: SteerableCoefficients, angles: [Double], reflect: Bool = false
  ) -> SteerableCoefficients {
    var result = images
    for (component, k) in images.layout.frequencyOfComponent.enumerated() {
      for image in 0..<images.count {
        var (re, im) = images.value(image: image, component: component)
        if reflect { im = -im }
        let (c, s) = (Float(cos(Double(k) * angles[image])), Float(sin(Double(k) * angles[image])))
        result.setValue((re * c + im * s, im * c - re * s), image: image, component: component)
      }
    }
    return result
  }

  /// All terms of all images, [image][term].
  static func values(
    _ bispectrum: Bispectrum, _ images: SteerableCoefficients
  ) -> [[(re: Float, im: Float)]] {
    let prepared = bispectrum.prepared(images)
    let (groups, terms) = (images.laneGroupCount, bispectrum.terms.count)
    var real = [SIMD16<Float>](repeating: .zero, count: groups * terms)
    var imaginary = real
    bispectrum.evaluate(
      prepared, groups: 0..<groups, terms: 0..<terms, real: &real, imaginary: &imaginary,
      stride: groups)
    return (0..<images.count).map { image in
      (0..<terms).map {
        let place = $0 * groups + image / 16
        return (real[place][image % 16], imaginary[place][image % 16])
      }
    }
  }

  static func allTerms() -> Bispectrum {
    var options = Bispectrum.Options()
    options.zeroFrequency = [.products, .plain]
    let weights = [Double](repeating: 1, count: layout.componentCount)
    return Bispectrum(layout: layout, weights: weights, options: options)
  }

  @Test func rotationLeavesItAndReflectionConjugatesIt() {
    let bispectrum = Self.allTerms()
    let images = Self.randomImages(19)
    let angles = (0..<19).map { 0.37 * Double($0) + 0.2 }
    let original = Self.values(bispectrum, images)
    let rotated = Self.values(bispectrum, Self.transformed(images, angles: angles))
    let mirrored = Self.values(bispectrum, Self.transformed(images, angles: angles, reflect: true))
    var largest: Float = 0
    var (afterRotation, afterReflection) = (Float(0), Float(0))
    for image in 0..<19 {
      for term in bispectrum.terms.indices {
        let (a, b, c) = (original[image][term], rotated[image][term], mirrored[image][term])
        afterRotation = max(afterRotation, abs(a.re - b.re), abs(a.im - b.im))
        afterReflection = max(afterReflection, abs(a.re - c.re), abs(a.im + c.im))
        largest = max(largest, abs(a.im))
      }
    }
    #expect(afterRotation < 2e-6)
    #expect(afterReflection < 2e-6)
    #expect(largest > 0.01)
  }

  @Test func agreesWithADirectTripleLoop() {
    let bispectrum = Self.allTerms()
    let images = Self.randomImages(17)
    let k = Self.layout.frequencyOfComponent
    // Every triple whose frequencies match; those that differ by conjugation or by order are one.
    var expected: Set<Bispectrum.Term> = []
    for c1 in k.indices {
      for c2 in k.indices {
        for c3 in k.indices where k[c1] + k[c2] == k[c3] {
          let isProper = k[c2] > 0 && k[c1] >= k[c2] && !(k[c1] == k[c2] && c2 > c1)
          let isZeroProduct = k[c1] == 0 && k[c2] > 0 && c2 <= c3
          let isPlain = k[c3] == 0 && c1 == c2 && c2 == c3
          if isProper || isZeroProduct || isPlain {
            expected.insert(.init(first: c1, second: c2, conjugated: c3))
          }
        }
      }
    }
    #expect(Set(bispectrum.terms) == expected)
    #expect(bispectrum.terms.count == expected.count)

    let values = Self.values(bispectrum, images)
    var worst = 0.0
    for image in [0, 7, 16] {
      let raw = k.indices.map { images.value(image: image, component: $0) }
      let norm = sqrt(
        zip(k, raw).reduce(0.0) {
          $0 + ($1.0 == 0 ? 1 : 2) * Double($1.1.re * $1.1.re + $1.1.im * $1.1.im)
        })
      let modulus = raw.map { cbrt(hypot(Double($0.re), Double($0.im)) / norm) }
      let phase = raw.map { atan2(Double($0.im), Double($0.re)) }
      for (term, value) in zip(bispectrum.terms, values[image]) {
        let (i, j, l) = (Int(term.first), Int(term.second), Int(term.conjugated))
        let amplitude = modulus[i] * modulus[j] * modulus[l]
        let angle = phase[i] + phase[j] - phase[l]
        worst = max(worst, abs(Double(value.re) - amplitude * cos(angle)))
        worst = max(worst, abs(Double(value.im) - amplitude * sin(angle)))
      }
    }
    #expect(worst < 2e-6)
  }

  @Test func plainZeroFrequencyTermIsTheNormalisedCoefficient() {
    var options = Bispectrum.Options()
    options.zeroFrequency = .plain
    let layout = AngularLayout(frequencies: [0], counts: [2])
    let bispectrum = Bispectrum(layout: layout, weights: [1, 1], options: options)
    var image = SteerableCoefficients(layout: layout, count: 1)
    image.setValue((-3, 0), image: 0, component: 0)
    image.setValue((4, 0), image: 0, component: 1)
    let values = Self.values(bispectrum, image)[0].map(\.re)
    #expect(values.count == 2)
    #expect(abs(values[0] + 0.6) < 1e-6 && abs(values[1] - 0.8) < 1e-6)
  }

  @Test func drawsTermsInProportionToTheirWeights() {
    // With one draw a term's probability is its weight over the sum.
    let weights = (0..<Self.layout.componentCount).map { pow(0.6, Double($0)) }
    var options = Bispectrum.Options()
    options.termCount = 1
    let draws = 4000
    var counts: [Bispectrum.Term: Int] = [:]
    for seed in 0..<draws {
      options.seed = UInt64(seed)
      let term = Bispectrum(layout: Self.layout, weights: weights, options: options).terms[0]
      counts[term, default: 0] += 1
    }
    options.termCount = 1000
    let all = Bispectrum(layout: Self.layout, weights: weights, options: options).terms
    let products = all.map { term in
      cbrt(
        weights[Int(term.first)] * weights[Int(term.second)] * weights[Int(term.conjugated)])
    }
    let total = products.reduce(0, +)
    #expect(all.count > 20)
    for (term, product) in zip(all, products) {
      let mean = Double(draws) * product / total
      #expect(abs(Double(counts[term, default: 0]) - mean) < 4.5 * mean.squareRoot() + 1)
    }
  }

  @Test func drawsWithoutReplacement() {
    // Sequential draws of two out of four: exact probability of being among them.
    let weights = [1.0, 2, 3, 4]
    let draws = 20_000
    var counts = [Int](repeating: 0, count: 4)
    for seed in 0..<draws {
      var sample = WeightedSample<Int>(capacity: 2, seed: UInt64(seed))
      for (index, weight) in weights.enumerated() { sample.offer(index, weight: weight) }
      sample.offer(4, weight: 0)
      #expect(Set(sample.elements).count == 2)
      for element in sample.elements { counts[element] += 1 }
    }
    for i in 0..<4 {
      let probability =
        weights[i] / 10
        + (0..<4).reduce(0) { sum, j in
          j == i ? sum : sum + weights[j] / 10 * weights[i] / (10 - weights[j])
        }
      let deviation = (Double(draws) * probability * (1 - probability)).squareRoot()
      #expect(abs(Double(counts[i]) - Double(draws) * probability) < 4.5 * deviation)
    }
  }

  @Test func keepsToComponentsWithWeight() {
    var weights = [Double](repeating: 1, count: Self.layout.componentCount)
    weights[3] = 0
    let terms = Bispectrum(layout: Self.layout, weights: weights).terms
    #expect(!terms.isEmpty)
    #expect(terms.allSatisfy { ![$0.first, $0.second, $0.conjugated].contains(3) })
  }
}
