import Foundation
import Testing

@testable import Fourier

@Suite("Polar Fourier transform")
struct PolarTransformTests {
  @Test("agrees with the direct sum", arguments: [24, 31])
  func directSum(size: Int) {
    var generator = SystemRandomNumberGenerator()
    let radii = [0.0, 0.013, 0.21, 0.37, 0.5]
    let transform = PolarTransform(size: size, radii: radii, halfAngles: 10)
    var images: [[Float]] = []
    for lane in 0..<16 {
      images.append((0..<size * size).map { _ in .random(in: -1...1, using: &generator) })
      transform.load(images[lane], lane: lane)
    }
    transform.transformLanes()
    for lane in [0, 7, 15] {
      for (ring, radius) in radii.enumerated() {
        for j in 0..<10 {
          let theta = PolarTransform.angle(j, of: 10)
          var (real, imaginary) = (0.0, 0.0)
          for row in 0..<size {
            for column in 0..<size {
              let phase =
                2 * Double.pi * radius
                * (cos(theta) * Double(column - size / 2) + sin(theta) * Double(row - size / 2))
              let value = Double(images[lane][row * size + column])
              real += value * cos(phase)
              imaginary -= value * sin(phase)
            }
          }
          let at = (ring * 10 + j) * 2
          // The image's norm is about size / sqrt(3): errors are relative to it.
          #expect(abs(Double(transform.samples[at][lane]) - real) < 1e-5 * Double(size))
          #expect(abs(Double(transform.samples[at + 1][lane]) - imaginary) < 1e-5 * Double(size))
        }
      }
    }
  }

  @Test("a lane's bits do not depend on its place or on the other lanes")
  func lanesAreIndependent() {
    let size = 20
    let image = (0..<size * size).map { Float(sin(Double($0 * $0))) }
    let other = (0..<size * size).map { Float(cos(Double($0))) }
    let transform = PolarTransform(size: size, radii: [0.1, 0.3], halfAngles: 8)
    func samples(lane: Int, others: Bool) -> [Float] {
      for l in 0..<16 {
        if others { transform.load(other, lane: l) } else { transform.clear(lane: l) }
      }
      transform.load(image, lane: lane)
      transform.transformLanes()
      return (0..<2 * 8 * 2).map { transform.samples[$0][lane] }
    }
    let alone = samples(lane: 0, others: false)
    #expect(alone == samples(lane: 11, others: true))
  }
}
