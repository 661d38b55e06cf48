import Foundation
import ImageModel
import LinearAlgebra

/// Everything about a pair's affinity that depends only on the two defocus groups (method E.5):
///
///     a(theta) = constant_gh + self_i(h) + self_j(g) + Re sum_k e^{ik theta} b_i^H P_gh b_j
///     self_i(h) = -1/2 b_i^H (L_g - P_gh) b_i
///
/// with P = (2I + F_g + F_h)^{-1} for the Mahalanobis affinity and (I + F_g + F_h)^{-1} for the Bayes
/// factor. The Euclidean baseline has P = I and nothing else, and is given denoised images in place of
/// the statistics b. Blocks are stored one after the other, row-major, in single precision.
public struct PairModel: Sendable {
  /// The principal coordinates that are compared.
  public let layout: AngularLayout
  /// The number of defocus groups.
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
  /// Whether only pairs with the last group are known.
  private let withLastGroupOnly: Bool

  /// - Throws: `LAPACKError` where a matrix cannot be factored.
  public init(_ posterior: PosteriorModel, affinity: Affinity, correlation: Double = 1) throws {
    try self.init(
      layout: posterior.layout, information: posterior.information, affinity: affinity,
      correlation: correlation)
  }

  /// - Parameters:
  ///   - layout: of the statistics.
  ///   - information: F of each group and block, `information[g][block]`.
  ///   - affinity: which one.
  ///   - correlation: for the Bayes factor, how alike neighbours are in whitened coordinates: the
  ///     prior of the pair has covariance I for each and c I between them; 1 is the same image.
  ///   - withLastGroupOnly: only pairs with an image of the last group will be compared.
  /// - Throws: `LAPACKError` where a matrix cannot be factored.
  public init(
    layout: AngularLayout, information: [[Matrix]], affinity: Affinity, correlation: Double = 1,
    withLastGroupOnly: Bool = false
  ) throws {
    self.layout = layout
    self.withLastGroupOnly = withLastGroupOnly
    let groups = information.count
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
    let images = try information.map { blocks in
      try blocks.map {
        affinity.comparesDenoisedImages
          ? GroupPosterior(order: $0.rows) : try GroupPosterior(information: $0)
      }
    }
    for g in 0..<groups {
      for h in 0..<groups
      where Self.isCompared(g, h, of: groups, withLastGroupOnly: withLastGroupOnly) {
        var constant = 0.0
        for block in 0..<layout.blockCount {
          let m = Double(ImageModel.multiplicity(ofBlock: layout.frequencies[block]))
          let pair = try affinity.form(
            images[g][block], images[h][block], correlation: correlation)
          constant += m * pair.constant
          let start = (g * groups + h) * matrixLength + offsets[block]
          for i in pair.cross.storage.indices {
            cross[start + i] = Float(pair.cross.storage[i])
            selfForm[start + i] = Float(pair.selfForm.storage[i])
          }
        }
        constants[g * groups + h] = Float(constant)
      }
    }
    self.cross = cross
    self.selfForm = selfForm
    self.constants = constants
  }

  /// Whether images of two groups are compared.
  private static func isCompared(
    _ g: Int, _ h: Int, of groups: Int, withLastGroupOnly: Bool
  ) -> Bool {
    !withLastGroupOnly || g == groups - 1 || h == groups - 1
  }

  /// self_i(h) for all groups h of an image of group `g` with the statistic `b` (component-major, real
  /// and imaginary part side by side), or of 16 images side by side; zero for pairs that will not be compared.
  func selfTerms<Value: CoefficientValue>(of b: UnsafePointer<Value>, group g: Int) -> [Value] {
    (0..<groupCount).map { h in compares(g, h) ? selfTerm(of: b, groups: g, h) : .zero }
  }

  /// Whether images of group `g` are compared with those of group `h`.
  func compares(_ g: Int, _ h: Int) -> Bool {
    Self.isCompared(g, h, of: groupCount, withLastGroupOnly: withLastGroupOnly)
  }

  /// self_i(h) for one group h.
  func selfTerm<Value: CoefficientValue>(
    of b: UnsafePointer<Value>, groups g: Int, _ h: Int
  ) -> Value {
    var sum = Value.zero
    multiply(selfForm, pair: g * groupCount + h, b) { component, real, imaginary in
      sum.addProduct(real, b[2 * component])
      sum.addProduct(imaginary, b[2 * component + 1])
    }
    sum.scale(by: -0.5)
    return sum
  }

  /// w = P_gh b, as `b` is laid out.
  func weighted<Value: CoefficientValue>(
    _ b: UnsafePointer<Value>, groups g: Int, _ h: Int, into w: UnsafeMutablePointer<Value>
  ) {
    multiply(cross, pair: g * groupCount + h, b) { component, real, imaginary in
      w[2 * component] = real
      w[2 * component + 1] = imaginary
    }
  }

  @inline(__always)
  private func multiply<Value: CoefficientValue>(
    _ matrices: [Float], pair: Int, _ b: UnsafePointer<Value>,
    _ store: (Int, Value, Value) -> Void
  ) {
    matrices.withUnsafeBufferPointer { matrices in
      var row = matrices.baseAddress! + pair * matrixLength
      for block in 0..<layout.blockCount {
        let components = layout.components(ofBlock: block)
        let input = b + 2 * components.lowerBound
        for component in components {
          var real = Value.zero
          var imaginary = Value.zero
          for q in 0..<components.count {
            real.addProduct(Value(repeating: row[q]), input[2 * q])
            imaginary.addProduct(Value(repeating: row[q]), input[2 * q + 1])
          }
          store(component, real, imaginary)
          row += components.count
        }
      }
    }
  }
}

/// A coefficient's real or imaginary part, of one image or of 16 side by side.
protocol CoefficientValue {
  static var zero: Self { get }
  init(repeating value: Float)
  mutating func addProduct(_ a: Self, _ b: Self)
  mutating func scale(by factor: Float)
}

extension Float: CoefficientValue {
  init(repeating value: Float) { self = value }
  mutating func scale(by factor: Float) { self *= factor }
}

extension SIMD16<Float>: CoefficientValue {
  mutating func scale(by factor: Float) { self *= factor }
}
