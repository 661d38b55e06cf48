import Foundation
import TestSupport
import Testing

@testable import Fourier
@testable import ImageModel

@Suite("Fourier-Bessel basis")
struct FourierBesselBasisTests {
  @Test("the pixel functions are orthonormal", arguments: [32, 33])
  func orthonormality(size: Int) {
    let basis = FourierBesselBasis(size: size, bandLimit: 0.4, radius: Double(size / 2 - 3))
    let functions = pixelFunctions(basis).enumerated().flatMap { component, parts in
      component < basis.layout.offsets[1] ? [parts[0]] : parts
    }
    var worst = 0.0
    var meanDefect = 0.0
    for (i, a) in functions.enumerated() {
      for (j, b) in functions.enumerated() where j <= i {
        let product = zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
        worst = max(worst, abs(product - (i == j ? 1 : 0)))
        if i == j { meanDefect += abs(product - 1) / Double(functions.count) }
      }
    }
    // On the infinite grid they are orthonormal exactly; the box cuts off what leaks beyond it.
    #expect(worst < 0.06)
    #expect(meanDefect < 0.003)
  }

  @Test("analysis is the inner product with the pixel functions", arguments: [24, 25])
  func innerProducts(size: Int) {
    let basis = FourierBesselBasis(size: size, bandLimit: 0.5, radius: Double(size) / 2)
    let functions = pixelFunctions(basis)
    let images = (0..<3).map { _ in (0..<size * size).map { _ in Float.random(in: -1...1) } }
    let coefficients = analyze(images, basis)
    var worst = 0.0
    for (i, image) in images.enumerated() {
      for (component, parts) in functions.enumerated() {
        let value = coefficients.value(image: i, component: component)
        for (part, got) in [value.re, value.im].enumerated() {
          let exact = zip(parts[part], image).reduce(0) { $0 + $1.0 * Double($1.1) }
          worst = max(worst, abs(exact - Double(got)))
        }
      }
    }
    // The images' norm is about 14: a relative error of 1e-5.
    #expect(worst < 2e-4)
  }

  @Test("rotation is a phase, reflection a conjugate")
  func steering() {
    let size = 41
    let theta = 0.7
    func image(rotated angle: Double, reflected: Bool) -> [Float] {
      blobs(size: size, turned: angle, reflected: reflected, scale: 1.5)
    }
    let basis = FourierBesselBasis(size: size, bandLimit: 0.35, radius: 18)
    let coefficients = analyze(
      [
        image(rotated: 0, reflected: false), image(rotated: theta, reflected: false),
        image(rotated: 0, reflected: true),
      ], basis)
    var energy = 0.0
    for k in basis.layout.frequencies {
      for component in basis.layout.components(ofBlock: k) {
        let z = coefficients.value(image: 0, component: component)
        let turned = coefficients.value(image: 1, component: component)
        let mirrored = coefficients.value(image: 2, component: component)
        let (c, s) = (Float(cos(Double(k) * theta)), Float(sin(Double(k) * theta)))
        #expect(abs(turned.re - (c * z.re - s * z.im)) < 2e-3)
        #expect(abs(turned.im - (s * z.re + c * z.im)) < 2e-3)
        #expect(abs(mirrored.re - z.re) < 2e-4 && abs(mirrored.im + z.im) < 2e-4)
        energy += Double(z.re * z.re + z.im * z.im)
      }
    }
    let exact = image(rotated: 0, reflected: false).reduce(0) { $0 + Double($1 * $1) }
    #expect(abs(energy / exact - 1) < 2e-3)
  }
}
