import Foundation

/// How far the particle's signal reaches from its centre, by where the images' power at a distance falls to what noise
/// has there (method E.17).
public struct ParticleExtent: Sendable, Equatable {
  /// Pixels, at most half the box.
  public var radius: Double
  /// Whether the signal does not end within the box.
  public var touchesEdge = false
  /// Whether there is signal beyond a gap: other particles.
  public var isCrowded = false

  /// Signal below this share of the strongest has ended.
  private static let least = 0.02
  /// Signal beyond the gap that counts, as a share of the strongest.
  private static let crowd = 0.05

  /// Of particles in a mask: what is outside cannot belong to them.
  func within(_ mask: Double) -> ParticleExtent {
    var result = self
    result.radius = min(radius, mask)
    if mask < radius { (result.touchesEdge, result.isCrowded) = (false, false) }
    return result
  }

  /// An extent that is known.
  init(radius: Double) { self.radius = radius }

  /// - Parameters:
  ///   - power: mean square of a pixel at each rounded distance from the centre, as far as the corner.
  ///   - variances: of that, by chance.
  ///   - points: pixels at each distance.
  init(power: [Double], variances: [Double], points: [Int], size: Int) {
    let half = Double(size / 2)
    radius = half
    // The last distances have hardly any pixels.
    let last = (points.lastIndex { $0 >= 12 } ?? 0) - 1
    let first = max(2, size / 10)
    guard last > first + 2 else { return }
    var smooth: [Double] = []
    var errors: [Double] = []
    for r in 0...last {
      let near = max(0, r - 1)...min(last, r + 1)
      let total = near.reduce(0.0) { $0 + Double(points[$1]) }
      smooth.append(near.reduce(0.0) { $0 + Double(points[$1]) * power[$1] } / total)
      // Neighbouring distances share what the CTF spreads.
      errors.append(
        (near.reduce(0.0) { $0 + Double(points[$1]) * variances[$1] } / total).squareRoot())
    }
    let gap = (first...last).min { smooth[$0] < smooth[$1] }!
    let noise = smooth[gap]
    let strongest = (1...gap).max { smooth[$0] < smooth[$1] }!
    let peak = smooth[strongest] - noise
    guard peak > 4 * (errors[strongest] + errors[gap]) else { return }
    let end =
      (strongest...gap).last {
        smooth[$0] - noise > max(Self.least * peak, hypot(errors[$0], errors[gap]))
      } ?? strongest
    isCrowded =
      gap < size / 2
      && (gap...last).contains {
        smooth[$0] - noise > max(Self.crowd * peak, 5 * (errors[$0] + errors[gap]))
      }
    radius = min(half, Double(end) + 2)
    touchesEdge = Double(end) + 1 > half
  }
}

/// The band within which images say something (method E.18).
enum SignalBand {
  /// Images of a class average: it shows what they say together.
  private static let members = 40.0
  /// The least signal-to-noise ratio of such an average that counts.
  private static let least = 0.5

  /// How much less CTFs pass on a shell where they have a zero.
  private static let zero = 10.0

  /// A shell's signal-to-noise ratio in single images.
  struct Ratio {
    /// As images are weighted by their CTFs.
    var value: Double
    /// The standard deviation of it by chance.
    var error: Double
    /// How much larger it would be if the CTFs passed as much there as they do elsewhere.
    var gain: Double
  }

  /// The band limit in cycles per pixel: the first shell that most likely has no signal, whatever the CTFs pass there,
  /// but not beyond the last one that has some.
  static func limit(_ ratios: [Ratio], size: Int) -> Double {
    let smooth = ratios.indices.map { shell -> (value: Double, error: Double) in
      let near = max(0, shell - 1)...min(ratios.count - 1, shell + 1)
      let weights = near.map { 1 / max(pow(ratios[$0].error, 2), 1e-30) }
      let total = weights.reduce(0, +)
      let value = zip(near, weights).reduce(0) { $0 + $1.1 * ratios[$1.0].value } / total
      return (value, 1 / total.squareRoot())
    }
    let enough = least / members
    let last =
      ratios.indices.last { shell in
        let (value, error) = smooth[shell]
        return min(value, ratios[shell].value + ratios[shell].error) > max(enough, 3 * error)
      } ?? 1
    // Below the shell that says most the noise may be strongest.
    let best = ratios.indices.dropFirst(2).max { smooth[$0].value < smooth[$1].value } ?? 2
    let end = ratios.indices.first {
      // Near a zero that the CTFs share, what little passes tells of what there is.
      let gain = ratios[$0].gain < zero ? 1 : ratios[$0].gain
      return $0 > best && gain * (smooth[$0].value + smooth[$0].error) < enough
    }
    return min(0.5, Double(min(last + 1, end ?? .max)) / Double(size))
  }
}
