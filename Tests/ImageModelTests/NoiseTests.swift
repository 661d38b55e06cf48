import Foundation
import Fourier
import MPI
import ParticleIO
import TestSupport
import Testing

@testable import ImageModel

/// Noise spectra, against noise of a known one.
@Suite struct NoiseTests {
  private let size = 48

  /// Noise of a power at each point of the Fourier grid, which may depend on a squared CTF.
  private func noise(
    _ count: Int, seed: UInt64, power: (Double, Double) -> Double, ctf: CTFParameters
  )
    -> [[Float]]
  {
    let fft = PlanarFFT(size: size)
    let numbers = randomNormals(count * size * size, seed: seed)
    return (0..<count).map { image in
      for i in 0..<size * size { fft.image[i] = Float(numbers[image * size * size + i]) }
      fft.forward()
      for i in 0..<size * fft.columns {
        let row = i / fft.columns
        let y = row <= (size - 1) / 2 ? row : row - size
        let distance = hypot(Double(y), Double(i % fft.columns))
        let value = ctf.radialValue(at: distance / (3 * Double(size)))
        fft.spectrum[i] *= Float(power(distance, value * value).squareRoot() / Double(size * size))
      }
      fft.inverse()
      return (0..<size * size).map { fft.image[$0] }
    }
  }

  /// The spectrum measured in images of one CTF each.
  private func measured(
    _ images: [(pixels: [Float], ctf: CTFParameters)], radius: Double, functions: Int = 0
  ) -> NoiseSpectrum {
    let window = NoiseWindow(size: size, radius: radius, fitRadius: radius, functions: functions)
    let meter = NoiseMeter(window, pixelSize: 3)
    let fit = BackgroundFit(size: size, radius: radius, outlier: 8)
    var sums = [Double](repeating: 0, count: 5 * window.rings.count)
    for (pixels, ctf) in images {
      var pixels = pixels
      if functions == 3 {
        let plane = fit.fit(pixels)
        for i in pixels.indices {
          pixels[i] -= Float(plane.plane(Double(i % size - size / 2), Double(i / size - size / 2)))
        }
      }
      let (blurred, square) = meter.squares(of: ctf)
      for (i, value) in NoiseMoments.row(meter.power(of: pixels), blurred, square).enumerated() {
        sums[i] += value
      }
    }
    return NoiseSpectrum(
      explaining: NoiseMoments(sums: sums, rings: window.rings.count, images: images.count),
      window: window)
  }

  @Test("White noise is white, of its variance", arguments: [0, 3])
  func white(functions: Int) {
    let images = noise(300, seed: 5, power: { _, _ in 2.5 }, ctf: .identity)
    let spectrum = measured(images.map { ($0, .identity) }, radius: 18, functions: functions)
    #expect(spectrum.power[8...].allSatisfy { abs($0 / 2.5 - 1) < 0.02 })
    #expect(!spectrum.hasPassed && spectrum.isWhite == (functions == 0))
    // What fits of planes outside the particle leave in its middle: more at the lowest frequencies only.
    #expect(functions == 0 || spectrum.power[0] > 5 && spectrum.power[1] > 2.7)
  }

  @Test(
    "Coloured noise is found from outside the particle, whatever leaks through the window",
    arguments: [0, 3])
  func coloured(functions: Int) {
    func power(_ distance: Double) -> Double { 4 / (1 + pow(distance / 5, 2)) + 0.1 }
    let images = noise(400, seed: 6, power: { r, _ in power(r) }, ctf: .identity)
    let spectrum = measured(images.map { ($0, .identity) }, radius: 18, functions: functions)
    for step in 4...24 {
      let value = spectrum.power(at: Double(step), squaredCTF: 1)
      #expect(abs(value / power(Double(step)) - 1) < 0.12, "\(step): \(value)")
    }
    #expect(spectrum.passedShare < 0.05)
    #expect(
      abs(
        spectrum.pixelVariance(size: size)
          / NoiseSpectrum(
            power: (0..<NoiseSpectrum.count(size: size)).map { power(Double($0)) }
          ).pixelVariance(size: size) - 1) < (functions == 0 ? 0.05 : 0.4))
  }

  @Test("What has passed the CTF is told from what has not")
  func passed() {
    let ctfs = [8000, 11000, 14000, 17000, 20000].map { testCTF(defocus: $0) }
    var images: [(pixels: [Float], ctf: CTFParameters)] = []
    for (i, ctf) in ctfs.enumerated() {
      images += noise(120, seed: UInt64(10 + i), power: { _, square in 0.5 + square }, ctf: ctf).map
      {
        ($0, ctf)
      }
    }
    let spectrum = measured(images, radius: 15)
    #expect(spectrum.hasPassed)
    for step in stride(from: 6, through: 24, by: 3) {
      #expect(abs(spectrum.power[step] - 0.5) < 0.15, "\(step): \(spectrum.power[step])")
      #expect(abs(spectrum.passed[step] - 1) < 0.4, "\(step): \(spectrum.passed[step])")
    }
  }

  @Test("Leakage is what direct sums over the window's transform make of it")
  func leakage() {
    let size = 12
    let window = NoiseWindow(size: size, radius: 4, fitRadius: 4, functions: 0)
    let grid = window.rings.ringsOfGrid(size: size)
    func ring(_ row: Int, _ column: Int) -> Int {
      // The half grid has columns to size / 2; the others are mirrored.
      let (r, c) = column <= size / 2 ? (row, column) : ((size - row) % size, size - column)
      return grid[r * (size / 2 + 1) + c]
    }
    let start = (0..<size * size).map { SIMD2(Double(window.weights[$0]), 0) }
    let spectrum = directTransform(start, size: size, sign: -1)
    let squares = window.weights.reduce(0.0) { $0 + Double($1) * Double($1) }
    var expected = [[Double]](
      repeating: .init(repeating: 0, count: window.rings.count), count: window.rings.count)
    var points = [Double](repeating: 0, count: window.rings.count)
    for at in 0..<size * size { points[ring(at / size, at % size)] += 1 }
    for at in 0..<size * size {
      for from in 0..<size * size {
        let (row, column) = (
          (at / size - from / size + size) % size, (at % size - from % size + size) % size
        )
        let value = spectrum[row * size + column]
        expected[ring(at / size, at % size)][ring(from / size, from % size)] +=
          (value.x * value.x + value.y * value.y) / Double(size * size) / squares
      }
    }
    for i in expected.indices {
      for j in expected.indices {
        #expect(abs(window.leakage[i][j] - expected[i][j] / max(1, points[i])) < 1e-4)
      }
    }
  }
}
