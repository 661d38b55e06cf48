import Foundation
import Testing

@testable import ImageModel

/// Radius and band limit of profiles that are known.
@Suite struct SignalExtentTests {
  private let size = 80

  /// A particle whose power ends at `radius`, on noise of power 1, and others from `others` on.
  private func extent(radius: Double, others: Double? = nil, strength: Double = 0.2)
    -> ParticleExtent
  {
    let last = Int(Double(size) / 2.0.squareRoot()) + 1
    let points = ImageStatistics.pointsPerShell(size: size, through: last)
    let power = (0...last).map { r -> Double in
      let own = strength * max(0, 1 - pow(Double(r) / radius, 4))
      return 1 + own + (others.map { 0.1 * max(0, Double(r) - $0) / 10 } ?? 0)
    }
    return ParticleExtent(
      power: power, variances: points.map { 1e-7 / Double(max(1, $0)) }, points: points, size: size)
  }

  @Test("A particle ends where its power does", arguments: [15.0, 22, 30])
  func alone(radius: Double) {
    let found = extent(radius: radius)
    #expect(abs(found.radius - radius) <= 2)
    #expect(!found.touchesEdge && !found.isCrowded)
  }

  @Test("Other particles beyond a gap do not belong to it")
  func crowded() {
    let found = extent(radius: 22, others: 32)
    #expect(abs(found.radius - 22) <= 2 && found.isCrowded && !found.touchesEdge)
  }

  @Test("A particle that reaches the box's edge, and none at all")
  func edge() {
    let found = extent(radius: 55)
    #expect(found.radius == 40 && found.touchesEdge && !found.isCrowded)
    let nothing = extent(radius: 20, strength: 0)
    #expect(nothing.radius == 40 && !nothing.touchesEdge)
  }

  @Test("The band ends where an average of 40 images has no more signal than half its noise")
  func band() {
    let ratios = (0...40).map { shell in
      SignalBand.Ratio(value: 0.8 * exp(-pow(Double(shell) / 9, 2)), error: 1e-3, gain: 1)
    }
    // 0.8 exp(-(s / 9)^2) = 1 / 80 at 18.4 grid steps.
    #expect(abs(SignalBand.limit(ratios, size: size) * Double(size) - 19) <= 1)
  }

  @Test("A zero of the CTF does not end the band, the end of the signal does")
  func zeros() {
    func ratios(gain: Double, from: Int) -> [SignalBand.Ratio] {
      (0...40).map { shell in
        let isZero = (14...16).contains(shell)
        return .init(
          value: shell > from ? 0 : isZero ? 0.001 : 0.3, error: 2e-3, gain: isZero ? gain : 1)
      }
    }
    #expect(SignalBand.limit(ratios(gain: 50, from: 30), size: size) > 29.0 / 80)
    // Where CTFs pass as much as elsewhere there is no signal.
    #expect(SignalBand.limit(ratios(gain: 1, from: 30), size: size) < 17.0 / 80)
  }
}
