import Foundation
import Fourier
import LinearAlgebra
import TestSupport
import Testing

@testable import ClassAveraging
@testable import ImageModel

@Suite struct UnmodelledSignalTests {
  private let size = 64

  /// Energy that falls exponentially with the frequency, from shell 1 on.
  private func shells(decay: Double) -> [(energy: Double, variance: Double)] {
    ImageStatistics.pointsPerShell(size: size).enumerated().map { k, points in
      (energy: k == 0 ? 0 : 7 * Double(points) * exp(-decay * Double(k)), variance: 1e-12)
    }
  }

  /// - Parameter hidden: the share of the energy on the outer shells that is not seen.
  private func unmodelled(
    _ shells: [(energy: Double, variance: Double)], bandLimit: Double, hidden: Double = 0
  ) -> (share: Double, meanSquare: Double) {
    let points = ImageStatistics.pointsPerShell(size: size)
    let outer = Int((0.8 * bandLimit).rounded(.up))..<shells.count
    let seen = outer.prefix { part($0, bandLimit) > 0 }.map { k in
      (1 - hidden) * part(k, bandLimit) * shells[k].energy * 2 * .pi * Double(k)
        / Double(points[k])
    }
    return UnmodelledSignal.unmodelled(of: shells, seen: seen, bandLimit: bandLimit, size: size)
  }

  /// How much of shell k lies in the band.
  private func part(_ k: Int, _ bandLimit: Double) -> Double {
    min(1, max(0, bandLimit + 0.5 - Double(k)))
  }

  @Test func whatLiesBeyondTheBandIsFoundFromTheDecay() {
    for (decay, limit) in [(0.3, 10.0), (0.5, 8), (0.1, 20.3)] {
      let shells = shells(decay: decay)
      var (all, out, squares) = (0.0, 0.0, 0.0)
      for (k, shell) in shells.enumerated() {
        let last = k == size / 2 ? 0.5 : 1
        let own = (last - min(last, part(k, limit))) * shell.energy
        all += last * shell.energy
        out += own
        squares += own * Double(k * k)
      }
      let found = unmodelled(shells, bandLimit: limit)
      #expect(abs(found.share / (out / all) - 1) < 0.05, "\(decay)")
      #expect(abs(found.meanSquare / (squares / out) - 1) < 0.05, "\(decay)")
    }
  }

  @Test func whatNoiseHidesInTheOuterBandIsUnseen() {
    let (shells, limit) = (shells(decay: 0.3), 10.0)
    let all = (1...size / 2).reduce(0.0) { $0 + ($1 == size / 2 ? 0.5 : 1) * shells[$1].energy }
    let outer = (8...10).map { (k: $0, energy: part($0, limit) * shells[$0].energy) }
    let (none, some) = (
      unmodelled(shells, bandLimit: limit), unmodelled(shells, bandLimit: limit, hidden: 0.4)
    )
    let hidden = 0.4 * outer.reduce(0) { $0 + $1.energy }
    #expect(abs((some.share - none.share) * all / hidden - 1) < 0.02)
    let squares = 0.4 * outer.reduce(0) { $0 + $1.energy * Double($1.k * $1.k) }
    let found = some.meanSquare * some.share - none.meanSquare * none.share
    #expect(abs(found * all / squares - 1) < 0.02)
    // More than there is may be seen by chance.
    let more = unmodelled(shells, bandLimit: limit, hidden: -0.4)
    #expect(abs(more.share / none.share - 1) < 1e-9)
  }

  /// Images of random coefficients, pixel by pixel, and their Fourier transforms on circles.
  @Test func energyOnShellsIsThatOfImages() {
    let (size, wide) = (32, 48)
    let basis = FourierBesselBasis(size: size, bandLimit: 11.5 / 32, radius: 12)
    let layout = basis.layout
    let mean = randomNormals(layout.components(ofBlock: 0).count, seed: 11).map { 3 * $0 }
    let covariance = (0..<layout.blockCount).map { k in
      (1 / Double(1 + k)) * Matrix.identity(layout.components(ofBlock: k).count)
    }
    let found = UnmodelledSignal.outerEnergy(basis: basis, mean: mean, covariance: covariance)
    #expect(found.count == 2)
    var expected = [0.0, 0.0]
    let (images, circles, angles) = (30, 6, 16)
    let highest = layout.blockCount - 1
    let a = (0..<images).map { randomNormals(2 * layout.componentCount, seed: UInt64(100 + $0)) }
    // All images at a pixel.
    var pixels = [[Double]](repeating: .init(repeating: 0, count: images), count: wide * wide)
    let places = pixels.indices.map {
      (x: Double($0 % wide - wide / 2), y: Double($0 / wide - wide / 2))
    }
    for (pixel, place) in places.enumerated() {
      let (r, phi) = (hypot(place.x, place.y), atan2(place.y, place.x))
      let bessel = besselJs(through: highest, at: 2 * .pi * basis.bandLimit * r)
      for k in 0...highest {
        let radial = basis.realRadial(block: k, at: r, bessel: bessel[k])
        let scale = (k == 0 ? 1 : 2.0.squareRoot()) / (1 + Double(k)).squareRoot()
        let (c, s) = (cos(Double(k) * phi), sin(Double(k) * phi))
        for (q, i) in layout.components(ofBlock: k).enumerated() {
          for image in 0..<images {
            let wave = a[image][2 * i] * c + a[image][2 * i + 1] * s
            pixels[pixel][image] += radial[q] * (scale * wave + (k == 0 ? mean[q] : 0))
          }
        }
      }
    }
    for at in 0..<2 {
      for circle in 0..<circles {
        let xi = (9.5 + Double(at) + (Double(circle) + 0.5) / Double(circles)) / Double(size)
        let area = 2 * .pi * xi / Double(size * circles)
        for angle in 0..<angles {
          let phi = 2 * .pi * Double(angle) / Double(angles)
          let (u, v) = (xi * cos(phi), xi * sin(phi))
          var (re, im) = (
            [Double](repeating: 0, count: images), [Double](repeating: 0, count: images)
          )
          for (pixel, place) in places.enumerated() {
            let turn = 2 * .pi * (u * place.x + v * place.y)
            let (c, s) = (cos(turn), sin(turn))
            for image in 0..<images {
              re[image] += pixels[pixel][image] * c
              im[image] += pixels[pixel][image] * s
            }
          }
          for image in 0..<images {
            expected[at] +=
              area * (re[image] * re[image] + im[image] * im[image]) / Double(angles * images)
          }
        }
      }
    }
    for at in 0..<2 {
      #expect(abs(found[at] / expected[at] - 1) < 0.1, "\(found[at]) for \(expected[at])")
    }
  }

  @Test func shellsThatNoiseHidesSayLittle() {
    var shells = shells(decay: 0.4)
    let expected = unmodelled(shells, bandLimit: 9).share
    for (k, normal) in zip(12..<shells.count, randomNormals(shells.count, seed: 8)) {
      shells[k].variance = 4 * shells[9].energy * shells[9].energy
      shells[k].energy += normal * shells[k].variance.squareRoot()
    }
    let found = unmodelled(shells, bandLimit: 9).share
    #expect(expected > 0.005 && abs(found / expected - 1) < 0.2)
  }

  @Test func nothingLiesBeyondTheWholeBandOrInNoise() {
    #expect(unmodelled(shells(decay: 0.1), bandLimit: 32).share < 1e-12)
    let noise = shells(decay: 0.1).map { (energy: -$0.energy, variance: 1.0) }
    #expect(unmodelled(noise, bandLimit: 10).share == 0)
  }

  /// The images' Fourier transforms multiplied point by point on circles of the outer band.
  @Test func correlationBeyondTheBandFollowsThatOfTheOuterBand() {
    let basis = FourierBesselBasis(size: 16, bandLimit: 0.4, radius: 4.8)
    let layout = basis.layout
    let identity = (0..<layout.blockCount).map {
      Matrix.identity(layout.components(ofBlock: $0).count)
    }
    func image(_ seed: UInt64) -> [Float] {
      var values = randomNormals(2 * layout.componentCount, seed: seed).map { Float($0) }
      for i in layout.components(ofBlock: 0) { values[2 * i + 1] = 0 }
      return values
    }
    /// At a point of the Fourier transform but for factors i^k, which only depend on the frequency.
    func transform(_ image: [Float], _ k: Int, _ xi: Double) -> (Double, Double) {
      var (re, im) = (0.0, 0.0)
      for (component, radial) in zip(
        layout.components(ofBlock: k), basis.fourierRadial(block: k, at: xi))
      {
        re += radial * Double(image[2 * component])
        im += radial * Double(image[2 * component + 1])
      }
      return (re, im)
    }
    let (circles, angles) = (200, 64)
    for (seed, reflected, rotation) in [(1, false, 0.0), (3, true, 0.7), (5, false, 2.1)] {
      let a = image(UInt64(seed))
      // Half alike, once rotated and reflected back.
      let b = image(UInt64(seed + 1)).enumerated().map { at, value -> Float in
        let component = at / 2
        let k = layout.frequencies.first { layout.components(ofBlock: $0).contains(component) }!
        let (re, im) = (Double(a[2 * component]), Double(a[2 * component + 1]))
        let (c, s) = (cos(Double(k) * rotation), -sin(Double(k) * rotation))
        let turned = (re * c - im * s, re * s + im * c)
        return value + 2 * Float(at % 2 == 0 ? turned.0 : reflected ? -turned.1 : turned.1)
      }
      var (product, first, second, energy, squares) = (0.0, 0.0, 0.0, 0.0, 0.0)
      for circle in 0..<circles {
        let xi = 0.4 * (0.8 + 0.2 * (Double(circle) + 0.5) / Double(circles))
        for k in layout.frequencies {
          let own = basis.fourierRadial(block: k, at: xi).reduce(0) { $0 + $1 * $1 }
          energy += xi * own * (k == 0 ? 1 : 2)
          squares += xi * own * (k == 0 ? 1 : 2) * xi * xi
        }
        for angle in 0..<angles {
          // Re(conj(z) exp(i k phi)) is the image; sqrt 2 for k > 0.
          func value(_ image: [Float], _ phi: Double) -> Double {
            layout.frequencies.reduce(0) { sum, k in
              let z = transform(image, k, xi)
              let scale = k == 0 ? 1 : 2.0.squareRoot()
              return sum + scale * (z.0 * cos(Double(k) * phi) + z.1 * sin(Double(k) * phi))
            }
          }
          let phi = 2 * .pi * Double(angle) / Double(angles)
          let (x, y) = (value(a, phi), value(b, reflected ? rotation - phi : phi - rotation))
          product += xi * x * y
          first += xi * x * x
          second += xi * y * y
        }
      }
      let outer = product / (first * second).squareRoot()
      #expect(outer > 0.3)
      let unmodelled = UnmodelledSignal(
        (share: 0.25, meanSquare: 60), basis: basis, covariance: identity)
      let expected = 0.75 * 0.9 + 0.25 * pow(outer, 60.0 / 256 / (squares / energy))
      let found = unmodelled.correlation(
        seen: 0.9, a, b, reflected: reflected, rotation: rotation)
      #expect(abs(found - expected) < 2e-3, "\(found) \(expected)")
    }
  }
}
