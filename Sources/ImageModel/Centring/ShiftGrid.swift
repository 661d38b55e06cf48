import Foundation

/// Displacements that are tried, within a disc: a square grid whose points are computed, and a finer one between them.
package struct ShiftGrid: Sendable {
  /// Steps of the finer grid between neighbours of the coarser one.
  static var fineSteps: Int { 4 }

  /// Pixels between neighbours of the coarser grid.
  let spacing: Double
  /// Points of the coarser grid on either side of the middle, one more than the disc needs for interpolation.
  let reach: Int
  /// The finer grid's points, pixels.
  let points: [SIMD2<Float>]
  /// Where each of them lies: the point of the coarser grid before it, counted from the middle, and the steps beyond.
  let places: [(column: Int, row: Int, x: Int, y: Int)]

  /// - Parameters:
  ///   - limit: the largest displacement, pixels.
  ///   - bandLimit: of the images, cycles per pixel: it says how fine the coarser grid must be.
  init(limit: Double, bandLimit: Double) {
    let spacing = min(limit, 0.2 / bandLimit)
    self.spacing = spacing
    let inner = Int((limit / spacing).rounded(.up))
    reach = inner + 2
    let steps = inner * Self.fineSteps
    let step = spacing / Double(Self.fineSteps)
    var points: [SIMD2<Float>] = []
    var places: [(column: Int, row: Int, x: Int, y: Int)] = []
    func split(_ at: Int) -> (whole: Int, rest: Int) {
      let whole = Int((Double(at) / Double(Self.fineSteps)).rounded(.down))
      return (whole, at - whole * Self.fineSteps)
    }
    for y in -steps...steps {
      for x in -steps...steps {
        let point = SIMD2(Double(x), Double(y)) * step
        if (point * point).sum() > limit * limit * 1.000001 { continue }
        let (column, row) = (split(x), split(y))
        points.append(SIMD2<Float>(point))
        places.append((column.whole, row.whole, column.rest, row.rest))
      }
    }
    (self.points, self.places) = (points, places)
  }

  /// Points of the coarser grid along an axis.
  var width: Int { 2 * reach + 1 }

  /// Values on the finer grid by cubic interpolation (Keys 1981).
  /// - Parameter coarse: value of the coarser grid's point (row, column), counted from 0.
  func interpolated(_ coarse: (Int, Int) -> Float) -> [Float] {
    let taps = (0..<Self.fineSteps).map { Self.cubic(Float($0) / Float(Self.fineSteps)) }
    var rows: [Float] = []
    rows.reserveCapacity(width * width)
    for row in 0..<width { for column in 0..<width { rows.append(coarse(row, column)) } }
    return places.map { place in
      let start = (place.row + reach - 1) * width + place.column + reach - 1
      let (across, down) = (taps[place.x], taps[place.y])
      var value: Float = 0
      for tap in 0..<4 {
        let at = start + tap * width
        value +=
          down[tap]
          * (across * SIMD4(rows[at], rows[at + 1], rows[at + 2], rows[at + 3])).sum()
      }
      return value
    }
  }

  /// Weights of the points -1, 0, 1, 2 at a fraction of the spacing.
  private static func cubic(_ t: Float) -> SIMD4<Float> {
    let a: Float = -0.5
    func near(_ x: Float) -> Float { ((a + 2) * x - (a + 3)) * x * x + 1 }
    func far(_ x: Float) -> Float { ((a * x - 5 * a) * x + 8 * a) * x - 4 * a }
    return SIMD4(far(1 + t), near(t), near(1 - t), far(2 - t))
  }
}
