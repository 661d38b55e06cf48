import Foundation
import ParticleIO

/// Particles binned by their CTF: all of a group share the matrix A^T W^2 A, method E.3's B_g.
///
/// Every particle's own CTF multiplies its image; the group only says what that CTF's square is like.
/// Its square is the mean over the group's particles of the squared CTF, whitened, so that a wide bin has the
/// square of what its particles see on average.
public struct DefocusGroups: Sendable {
  /// The group of each particle.
  public let groupOfParticle: [Int32]
  /// Particles in each group.
  public let counts: [Int]
  /// The optics group of each group.
  public let opticsGroups: [Int32]
  /// Particles whose CTFs stand for the group's, with how many particles each stands for.
  private let members: [[CTFParameters]]
  private let pixelSize: Double

  /// The number of groups.
  public var count: Int { counts.count }

  /// The mean defocus of each group's representatives, in A.
  public var defoci: [Double] {
    members.map { $0.reduce(0) { $0 + $1.meanDefocus } / Double($0.count) }
  }

  /// At most `limit` groups (but at least one for each optics group): exact where the particles have
  /// no more distinct CTFs than that, else bins of equal numbers of particles, ordered by mean defocus
  /// within an optics group.
  public init(of particles: [Particle], pixelSize: Double, limit: Int) {
    self.pixelSize = pixelSize
    var distinct: [CTFKey: Int32] = [:]
    for particle in particles {
      let key = CTFKey(optics: particle.opticsGroup, ctf: particle.ctf)
      if distinct[key] == nil {
        distinct[key] = Int32(distinct.count)
        if distinct.count > limit { break }
      }
    }
    if distinct.count <= limit {
      // Number the groups by optics group and defocus, not by first appearance.
      let order = distinct.keys.sorted { $0.precedes($1) }
      let number = Dictionary(
        uniqueKeysWithValues: order.enumerated().map { ($1, Int32($0)) })
      groupOfParticle = particles.map { number[CTFKey(optics: $0.opticsGroup, ctf: $0.ctf)]! }
      members = order.map { [$0.ctf] }
      opticsGroups = order.map(\.optics)
    } else {
      (groupOfParticle, members, opticsGroups) = Self.bins(of: particles, limit: limit)
    }
    var counts = [Int](repeating: 0, count: members.count)
    for group in groupOfParticle { counts[Int(group)] += 1 }
    self.counts = counts
  }

  /// The group whose CTFs are most like each particle's: of its optics group, by the mean defocus.
  func nearest(to particles: [Particle]) -> [Int32] {
    let defoci = defoci
    let byOptics = Dictionary(grouping: opticsGroups.indices) { opticsGroups[$0] }
      .mapValues { $0.sorted { (defoci[$0], $0) < (defoci[$1], $1) } }
    let all = Array(opticsGroups.indices).sorted { (defoci[$0], $0) < (defoci[$1], $1) }
    return particles.map { particle in
      let groups = byOptics[particle.opticsGroup] ?? all
      let defocus = particle.ctf.meanDefocus
      var (low, high) = (0, groups.count - 1)
      while low < high {
        let middle = (low + high) / 2
        if defoci[groups[middle]] < defocus { low = middle + 1 } else { high = middle }
      }
      if low > 0, defocus - defoci[groups[low - 1]] <= abs(defoci[groups[low]] - defocus) {
        low -= 1
      }
      return Int32(groups[low])
    }
  }

  /// The mean squared CTF of group `group` at radius `xi` in cycles per pixel.
  public func squaredCTF(group: Int, at xi: Double) -> Double {
    squaredCTF(group: group, at: [xi])[0]
  }

  /// The mean squared CTF of a group at many radii, in cycles per pixel, azimuthally averaged.
  ///
  /// `noise` is the power of the noise by which each square is divided, at the number of a radius and with the square
  /// there; nil for 1.
  public func squaredCTF(
    group: Int, at radii: [Double], noise: ((Int, Double) -> Double)? = nil
  ) -> [Double] {
    func whitened(_ i: Int, _ square: Double) -> Double {
      noise.map { square / $0(i, square) } ?? square
    }
    var sums = [Double](repeating: 0, count: radii.count)
    for ctf in members[group] {
      let function = ContrastTransferFunction(ctf)
      let isRound = ctf.defocusU == ctf.defocusV
      for (i, xi) in radii.enumerated() {
        let k = xi / pixelSize
        if isRound {
          let value = function.radialValue(at: k)
          sums[i] += whitened(i, value * value)
        } else {
          // The squared CTF has period pi in the angle; 16 angles resolve usual astigmatism.
          for angle in Self.directions {
            let value = function.value(kx: k * angle.x, ky: k * angle.y)
            sums[i] += whitened(i, value * value) / Double(Self.directions.count)
          }
        }
      }
    }
    return sums.map { $0 / Double(members[group].count) }
  }

  private static let directions: [SIMD2<Double>] = (0..<16).map {
    let angle = Double.pi * (Double($0) + 0.5) / 16
    return SIMD2(cos(angle), sin(angle))
  }

  /// Bins of equal numbers of particles within each optics group, which gets its share of the bins.
  private static func bins(of particles: [Particle], limit: Int)
    -> (groupOfParticle: [Int32], members: [[CTFParameters]], opticsGroups: [Int32])
  {
    var groups = [Int32](repeating: 0, count: particles.count)
    var members: [[CTFParameters]] = []
    var opticsGroups: [Int32] = []
    let byOptics = Dictionary(grouping: particles.indices) { particles[$0].opticsGroup }
    for optics in byOptics.keys.sorted() {
      let sorted = byOptics[optics]!.sorted {
        (particles[$0].ctf.meanDefocus, $0) < (particles[$1].ctf.meanDefocus, $1)
      }
      let share = Double(limit * sorted.count) / Double(particles.count)
      let bins = max(1, min(Int(share.rounded()), sorted.count))
      for bin in 0..<bins {
        let range = sorted.count * bin / bins..<sorted.count * (bin + 1) / bins
        for i in range { groups[sorted[i]] = Int32(members.count) }
        // Some dozens of particles, evenly spread over the bin, stand for all.
        let step = max(1, range.count / representatives)
        opticsGroups.append(optics)
        members.append(
          stride(from: range.lowerBound, to: range.upperBound, by: step).map {
            particles[sorted[$0]].ctf
          })
      }
    }
    return (groups, members, opticsGroups)
  }

  private static let representatives = 64
}

private struct CTFKey: Hashable {
  let optics: Int32
  let ctf: CTFParameters

  func precedes(_ other: CTFKey) -> Bool {
    func parts(_ key: CTFKey) -> [Double] {
      [
        Double(key.optics), key.ctf.meanDefocus, key.ctf.defocusU, key.ctf.defocusAngle,
        key.ctf.phaseShift, key.ctf.bFactor, key.ctf.scale, key.ctf.voltage,
        key.ctf.sphericalAberration, key.ctf.amplitudeContrast,
      ]
    }
    return parts(self).lexicographicallyPrecedes(parts(other))
  }
}
