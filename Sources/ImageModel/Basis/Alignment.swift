import Foundation

/// What makes the second image of a pair lie as the first does.
///
/// The second image is reflected, y -> -y about its centre, where `isReflected`; then it is rotated by
/// `rotation` from columns towards rows. Its coefficients are conjugated where it is reflected, and those of
/// angular frequency k are then multiplied by exp(+i k rotation).
public struct Alignment: Hashable, BitwiseCopyable, Sendable {
  /// The angle in radians.
  public var rotation: Float
  /// Whether the image is reflected before it is rotated.
  public var isReflected: Bool

  /// A rotation by an angle in radians, after a reflection if asked.
  @inlinable
  public init(rotation: Float = 0, isReflected: Bool = false) {
    self.rotation = rotation
    self.isReflected = isReflected
  }

  /// What leaves an image as it is.
  @inlinable public static var identity: Alignment { Alignment() }

  /// What aligns the first image to the second: a rotation back; a reflection followed by a rotation is its
  /// own inverse.
  @inlinable public var inverse: Alignment {
    Alignment(rotation: isReflected ? rotation : -rotation, isReflected: isReflected)
  }

  /// This alignment and another one after it: what aligns k to i, where this aligns k to j and the next one j
  /// to i. The angle is between -pi and pi.
  public func then(_ next: Alignment) -> Alignment {
    // A reflection turns the rotation before it round.
    let before = next.isReflected ? -Double(rotation) : Double(rotation)
    return Alignment(
      rotation: Float(remainder(before + Double(next.rotation), 2 * .pi)),
      isReflected: isReflected != next.isReflected)
  }

  /// A point of the second image, from its centre (x along columns, y along rows), once the image is aligned.
  package func applied(to point: SIMD2<Float>) -> SIMD2<Float> {
    let (c, s) = (Foundation.cos(rotation), Foundation.sin(rotation))
    let y = isReflected ? -point.y : point.y
    return SIMD2(c * point.x - s * y, s * point.x + c * y)
  }

  /// Hands out the components of the aligned image, one after the other.
  /// - Parameters:
  ///   - row: the image's coefficients, component-major, (re, im).
  ///   - weight: what they are multiplied by.
  ///   - body: `Number` is what is computed in.
  @inlinable @inline(__always)
  package func apply<Number: BinaryFloatingPoint>(
    to row: UnsafePointer<Float>, _ layout: AngularLayout, weight: Double = 1,
    _ body: (_ component: Int, _ re: Number, _ im: Number) -> Void
  ) {
    let mirror: Number = isReflected ? -1 : 1
    layout.forEachPhase(of: Double(rotation)) { block, _, phase in
      let (c, s) = (Number(weight * phase.x), Number(weight * phase.y))
      for component in layout.components(ofBlock: block) {
        let re = Number(row[2 * component])
        let im = mirror * Number(row[2 * component + 1])
        body(component, c * re - s * im, s * re + c * im)
      }
    }
  }
}

/// As words of files and messages: a bit, which goes where a word has room for it, and words of its own.
extension Alignment {
  /// The number of its own words.
  @inlinable package static var packedWords: Int { 1 }

  /// 1 where the image is reflected.
  @inlinable package var packedBit: UInt32 { isReflected ? 1 : 0 }

  /// Appends its own words.
  @inlinable
  package func appendWords(to words: inout [UInt32]) {
    words.append(rotation.bitPattern)
  }

  /// What was packed.
  /// - Parameters:
  ///   - bit: the lowest bit of what had room for it; the others are not looked at.
  ///   - words: begins with its own words.
  @inlinable
  package init(packedBit bit: UInt32, words: ArraySlice<UInt32>) {
    self.init(rotation: Float(bitPattern: words[words.startIndex]), isReflected: bit & 1 == 1)
  }
}
