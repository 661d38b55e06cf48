import Foundation
import Testing

@testable import Fourier

@Suite struct PhaseRampTests {
  /// Whole pixels move pixels round the image's edges; a wave moves by any part of a pixel.
  @Test(arguments: [24, 33])
  func imagesMove(size: Int) {
    let fft = PlanarFFT(size: size)
    let ramp = PhaseRamp(size: size)
    func moved(_ displacement: SIMD2<Float>, _ image: (Int, Int) -> Double) -> [Double] {
      for i in 0..<size * size { fft.image[i] = Float(image(i % size, i / size)) }
      fft.forward()
      ramp.undo(displacement, in: fft.spectrum)
      fft.inverse()
      return (0..<size * size).map { Double(fft.image[$0]) / Double(size * size) }
    }
    func value(_ x: Int, _ y: Int) -> Double {
      let (x, y) = ((x + 4 * size) % size, (y + 4 * size) % size)
      return sin(Double(x * x + 7 * y)) + (x == 3 && y == 5 ? 2 : 0)
    }
    let whole = moved([3, -5], value)
    let step = 2 * Double.pi / Double(size)
    func wave(_ x: Double, _ y: Double) -> Double { cos(step * (2 * x - 3 * y) + 0.4) }
    let part = moved([0.3, 1.6]) { wave(Double($0), Double($1)) }
    for i in 0..<size * size {
      let (x, y) = (i % size, i / size)
      #expect(abs(whole[i] - value(x + 3, y - 5)) < 1e-5)
      #expect(abs(part[i] - wave(Double(x) + 0.3, Double(y) + 1.6)) < 1e-5)
    }
  }

  @Test(arguments: [24, 33])
  func theCentreBecomesTheOrigin(size: Int) {
    let fft = PlanarFFT(size: size)
    fft.image[(size / 2) * size + size / 2] = 1
    fft.forward()
    let centre = GridCentre(size: size).phases
    for i in centre.indices {
      let value = complexProduct(fft.spectrum[i], centre[i])
      #expect(abs(value.x - 1) < 1e-5 && abs(value.y) < 1e-5)
    }
  }
}
