import Foundation
import LinearAlgebra

/// How two images' posteriors are compared (method E.5).
public enum Affinity: String, Sendable, CaseIterable {
  /// The log density of x_i - R x_j at 0 (paper eq. 14).
  case mahalanobis
  /// The log Bayes factor of both images showing the same clean image.
  case bayes
}

/// Everything about a pair's affinity that depends only on the two defocus groups (method E.5):
///
///     a(theta) = constant_gh + self_i(h) + self_j(g) + Re sum_k e^{ik theta} b_i^H P_gh b_j
///     self_i(h) = -1/2 b_i^H (L_g - P_gh) b_i
///
/// with P = (2I + F_g + F_h)^{-1} for the Mahalanobis affinity and (I + F_g + F_h)^{-1} for the Bayes
/// factor. Blocks are stored one after the other, row-major, in single precision.
public struct PairModel: Sendable {
  public let layout: AngularLayout
  public let groupCount: Int
  /// Where block b's matrix starts in a pair's run of `matrixLength` elements.
  let matrixOffsets: [Int]
  let matrixLength: Int
  /// P_gh at (g * groupCount + h) * matrixLength.
  let cross: [Float]
  /// L_g - P_gh, likewise.
  let selfForm: [Float]
  /// constant_gh at g * groupCount + h.
  let constants: [Float]

  /// - Throws: `LAPACKError` where a matrix cannot be factored.
  public init(_ posterior: PosteriorModel, affinity: Affinity) throws {
    layout = posterior.layout
    let groups = posterior.groupCount
    groupCount = groups
    var offsets = [0]
    for block in 0..<layout.blockCount {
      let r = layout.components(ofBlock: block).count
      offsets.append(offsets.last! + r * r)
    }
    matrixOffsets = offsets
    matrixLength = offsets.last!
    var cross = [Float](repeating: 0, count: groups * groups * matrixLength)
    var selfForm = cross
    var constants = [Float](repeating: 0, count: groups * groups)
    for g in 0..<groups {
      for h in 0...g {
        var constant = 0.0
        for block in 0..<layout.blockCount {
          let r = layout.components(ofBlock: block).count
          let m = Double(ImageModel.multiplicity(ofBlock: layout.frequencies[block]))
          let (f, e) = (posterior.information[g][block], posterior.information[h][block])
          let (lg, lh) = (posterior.covariance[g][block], posterior.covariance[h][block])
          let precision = try Cholesky(
            Double(affinity == .mahalanobis ? 2 : 1) * Matrix.identity(r) + f + e)
          let p = try precision.inverse()
          switch affinity {
          case .mahalanobis:
            constant -= m / 2 * (try Cholesky(lg + lh)).logDeterminant
          case .bayes:
            let own = try Cholesky(.identity(r) + f).logDeterminant
            let other = try Cholesky(.identity(r) + e).logDeterminant
            constant += m / 2 * (own + other - precision.logDeterminant)
          }
          for (a, b, l) in [(g, h, lg), (h, g, lh)] {
            let start = (a * groups + b) * matrixLength + offsets[block]
            for i in 0..<r * r {
              cross[start + i] = Float(p.storage[i])
              selfForm[start + i] = Float(l.storage[i] - p.storage[i])
            }
          }
        }
        constants[g * groups + h] = Float(constant)
        constants[h * groups + g] = Float(constant)
      }
    }
    self.cross = cross
    self.selfForm = selfForm
    self.constants = constants
  }

  /// self_i(h) for all groups h of an image of group `g` with the statistic `b` (component-major, real
  /// and imaginary part side by side).
  func selfTerms(of b: UnsafePointer<Float>, group g: Int) -> [Float] {
    (0..<groupCount).map { h in
      var sum: Float = 0
      multiply(selfForm, pair: g * groupCount + h, b) { component, real, imaginary in
        sum += real * b[2 * component] + imaginary * b[2 * component + 1]
      }
      return -sum / 2
    }
  }

  /// w = P_gh b, as `b` is laid out.
  func weighted(
    _ b: UnsafePointer<Float>, groups g: Int, _ h: Int, into w: UnsafeMutablePointer<Float>
  ) {
    multiply(cross, pair: g * groupCount + h, b) { component, real, imaginary in
      w[2 * component] = real
      w[2 * component + 1] = imaginary
    }
  }

  private func multiply(
    _ matrices: [Float], pair: Int, _ b: UnsafePointer<Float>, _ store: (Int, Float, Float) -> Void
  ) {
    matrices.withUnsafeBufferPointer { matrices in
      var row = matrices.baseAddress! + pair * matrixLength
      for block in 0..<layout.blockCount {
        let components = layout.components(ofBlock: block)
        let input = b + 2 * components.lowerBound
        for component in components {
          var real: Float = 0
          var imaginary: Float = 0
          for q in 0..<components.count {
            real += row[q] * input[2 * q]
            imaginary += row[q] * input[2 * q + 1]
          }
          store(component, real, imaginary)
          row += components.count
        }
      }
    }
  }
}
