/// The `fraction` quantile, 0 to 1, of ascending `values`, interpolated linearly between neighbours
/// as NumPy does; nil without values.
func quantile<T: BinaryFloatingPoint>(_ fraction: Double, ofSorted values: [T]) -> Double? {
  guard let last = values.indices.last else { return nil }
  let position = fraction * Double(last)
  let below = Int(position)
  let lower = Double(values[below])
  let upper = Double(values[min(below + 1, last)])
  return lower + (position - Double(below)) * (upper - lower)
}

/// The difference of two angles in degrees, as a distance: 0 to 180.
func angularDistance(_ first: Float, _ second: Float) -> Float {
  let turn = (first - second).truncatingRemainder(dividingBy: 360)
  return min(abs(turn), 360 - abs(turn))
}

/// Pearson's correlation of two images over the pixels of a disc.
struct DiscCorrelation {
  private let pixels: [Int]

  /// The disc about pixel (side / 2, side / 2), integer division, of radius side / 2 in pixels.
  init(side: Int) {
    let radius = side / 2
    pixels = (0..<side * side).filter { index in
      let x = index % side - radius
      let y = index / side - radius
      return x * x + y * y <= radius * radius
    }
  }

  /// The correlation, -1 to 1; 0 where an image is constant in the disc.
  package func callAsFunction(
    _ first: UnsafePointer<Float>, _ second: UnsafePointer<Float>
  ) -> Double {
    var meanFirst = 0.0
    var meanSecond = 0.0
    for p in pixels {
      meanFirst += Double(first[p])
      meanSecond += Double(second[p])
    }
    meanFirst /= Double(pixels.count)
    meanSecond /= Double(pixels.count)
    var ff = 0.0
    var ss = 0.0
    var fs = 0.0
    for p in pixels {
      let f = Double(first[p]) - meanFirst
      let s = Double(second[p]) - meanSecond
      ff += f * f
      ss += s * s
      fs += f * s
    }
    return ff > 0 && ss > 0 ? fs / (ff * ss).squareRoot() : 0
  }
}
