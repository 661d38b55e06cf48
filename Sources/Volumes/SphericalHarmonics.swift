/// Real orthonormal spherical harmonics of a direction (x, y, z), all degrees l <= L, 16 directions at a time.
///
///     Y_l0 = Q_l0(z),   Y_lm = sqrt 2 Q_lm(z) Re (x + iy)^m,   Y_l,-m = sqrt 2 Q_lm(z) Im (x + iy)^m
///
/// with Q_lm sin^m the associated Legendre functions normalised so that the harmonics are orthonormal on the
/// sphere, by the recurrence in l (Press et al., "Numerical Recipes", 6.7).
struct SphericalHarmonics {
  /// L.
  package let degree: Int
  /// sqrt((4 l^2 - 1) / (l^2 - m^2)) and sqrt(((l-1)^2 - m^2) / (4 (l-1)^2 - 1)) for each m and l > m + 1.
  private let steps: [(factor: Float, before: Float)]
  /// Q_mm and sqrt(2m + 3).
  private let starts: [(value: Float, next: Float)]

  init(degree: Int) {
    self.degree = degree
    var steps: [(Float, Float)] = []
    var starts: [(Float, Float)] = []
    var value = (1 / (4 * Double.pi)).squareRoot()
    for m in 0...degree {
      if m > 0 { value *= -(Double(2 * m + 1) / Double(2 * m)).squareRoot() }
      starts.append((Float(value), Float(Double(2 * m + 3).squareRoot())))
      for l in stride(from: m + 2, through: degree, by: 1) {
        let before = Double((l - 1) * (l - 1) - m * m) / Double(4 * (l - 1) * (l - 1) - 1)
        let factor = Double(4 * l * l - 1) / Double(l * l - m * m)
        steps.append((Float(factor.squareRoot()), Float(before.squareRoot())))
      }
    }
    self.steps = steps
    self.starts = starts
  }

  /// Calls `body` with l, m (-l to l) and the values of Y_lm, m by m, for unit vectors.
  @inline(__always)
  package func forEach(
    x: SIMD16<Float>, y: SIMD16<Float>, z: SIMD16<Float>,
    _ body: (_ l: Int, _ m: Int, _ value: SIMD16<Float>) -> Void
  ) {
    // Near the poles (x + iy)^m falls below what single precision holds and Q_lm rises above it: each takes half of
    // the power of the sine.
    let half = (x * x + y * y).squareRoot().squareRoot()
    let (u, v) = (
      x / pointwiseMax(half, SIMD16(repeating: 1e-18)),
      y / pointwiseMax(half, SIMD16(repeating: 1e-18))
    )
    var power = SIMD16<Float>(repeating: 1)
    var cosine = SIMD16<Float>(repeating: 1)
    var sine = SIMD16<Float>.zero
    var next = 0
    for m in 0...degree {
      if m > 0 {
        (cosine, sine) = (cosine * u - sine * v, sine * u + cosine * v)
        power *= half
      }
      var last = SIMD16<Float>.zero
      var present = starts[m].value * power
      for l in m...degree {
        if l == m + 1 {
          (last, present) = (present, starts[m].next * z * present)
        } else if l > m {
          let step = steps[next]
          next += 1
          (last, present) = (present, step.factor * (z * present - step.before * last))
        }
        if m == 0 {
          body(l, 0, present)
        } else {
          let scaled = Float(2).squareRoot() * present
          body(l, m, scaled * cosine)
          body(l, -m, scaled * sine)
        }
      }
    }
  }

  /// |Y_lk|^2 of the complex harmonics on the equator, [l][k], k <= l; 0 where l - k is odd.
  func equatorPowers() -> [[Double]] {
    var powers = (0...degree).map { [Double](repeating: 0, count: $0 + 1) }
    // On the x axis sine parts vanish and cosine parts are sqrt 2 times the complex ones.
    forEach(x: .init(repeating: 1), y: .zero, z: .zero) { l, m, value in
      if m < 0 { return }
      let power = Double(value[0]) * Double(value[0])
      powers[l][m] = m == 0 ? power : power / 2
    }
    return powers
  }
}
