import Foundation
import Fourier

/// The Fourier-Bessel basis of images of compact support and limited band (method E.2; Zhao, Singer 2014).
///
/// psi_{kq}(xi, theta) = N_kq J_k(R_kq xi / c) exp(i k theta) for xi <= c, with R_kq the q-th positive zero
/// of J_k and N_kq = 1 / (c sqrt(pi) |J_{k+1}(R_kq)|); frequencies in cycles per pixel. The pixel
/// functions are their inverse Fourier transforms at the pixels, centred on pixel size / 2: since
/// c <= 1/2 they are orthonormal over the infinite pixel grid. Functions with
/// R_{k,q+1} <= 2 pi c R are kept: those that live inside the disc of radius R.
///
/// Coefficients are those of the REAL orthonormal basis g_0, sqrt 2 g_kq(r) cos(k phi),
/// sqrt 2 g_kq(r) sin(k phi), written as complex numbers z_kq = (cosine) + i (sine) for k > 0. The angle
/// phi runs from the direction of growing columns to the direction of growing rows. Rotating an image by
/// theta in that sense multiplies z_kq by exp(+i k theta); the reflection phi -> -phi (rows reversed about
/// the centre) conjugates it.
public struct FourierBesselBasis: Sendable {
  /// Pixels along an image's edge.
  public let size: Int
  /// c, the largest spatial frequency, cycles per pixel.
  public let bandLimit: Double
  /// R, the radius of support, pixels.
  public let radius: Double
  /// The angular blocks; block k has frequency k.
  public let layout: AngularLayout
  /// R_kq of each component, in the layout's order.
  public let zeros: [Double]
  /// J_{k+1}(R_kq) of each component.
  private let slopes: [Double]
  /// J_k up to the largest zero.
  private let table: BesselTable

  /// The functions inside a band limit (cycles per pixel, at most 1/2) and a radius (pixels).
  public init(size: Int, bandLimit: Double, radius: Double) {
    precondition(bandLimit > 0 && bandLimit <= 0.5 && radius > 0)
    let rows = besselZeros(upTo: 2 * .pi * bandLimit * radius)
    let kept = rows.map { Array($0.dropLast(2)) }.prefix { !$0.isEmpty }
    self.size = size
    self.bandLimit = bandLimit
    self.radius = radius
    layout = AngularLayout(frequencies: Array(kept.indices), counts: kept.map(\.count))
    zeros = Array(kept.joined())
    slopes = kept.enumerated().flatMap { k, row in row.map { besselJ(k + 1, $0) } }
    table = BesselTable(highest: kept.count - 1, limit: zeros.max() ?? 0)
  }

  /// The radial part N_kq J_k(R_kq xi / c) in the Fourier domain of every component of block `k` at
  /// frequency `xi` (cycles per pixel), zero above the band limit.
  public func fourierRadial(block k: Int, at xi: Double) -> [Double] {
    layout.components(ofBlock: k).map { component in
      if xi > bandLimit { return 0 }
      let norm = 1 / (bandLimit * Double.pi.squareRoot() * abs(slopes[component]))
      return norm * table.value(k, zeros[component] * xi / bandLimit)
    }
  }

  /// The radial part g_kq(r) in real space of every component of block `k`, `bessel` being
  /// J_k(2 pi c r): the Hankel transform of `fourierRadial`, in closed form.
  package func realRadial(block k: Int, at r: Double, bessel: Double) -> [Double] {
    let x = 2 * .pi * bandLimit * r
    return layout.components(ofBlock: k).map { component in
      let zero = zeros[component]
      let slope = slopes[component]
      let norm = 2 * .pi * bandLimit / (Double.pi.squareRoot() * abs(slope))
      // The limit x -> zero of zero J_{k+1}(zero) J_k(x) / (zero^2 - x^2) is J_{k+1}(zero)^2 / 2.
      if abs(x - zero) < 1e-6 * zero { return norm * slope * slope / 2 }
      return norm * zero * slope * bessel / (zero * zero - x * x)
    }
  }

  /// The distinct radii of the image's discrete Fourier grid inside the band, in cycles per pixel, and
  /// how many grid points lie on each.
  public func gridShells() -> [(radius: Double, points: Int)] {
    var points: [Int: Int] = [:]
    let low = -(size / 2)
    for row in low..<low + size {
      for column in low..<low + size {
        let square = row * row + column * column
        if Double(square) <= bandLimit * bandLimit * Double(size * size) {
          points[square, default: 0] += 1
        }
      }
    }
    return points.keys.sorted().map { (Double($0).squareRoot() / Double(size), points[$0]!) }
  }
}
