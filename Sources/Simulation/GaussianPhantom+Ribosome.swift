extension GaussianPhantom {
  /// The built-in phantom: two unequal subunits with a cleft between them, with stalks, a spur and a
  /// beak where a ribosome has them, and helices on the surface. It has no symmetry, neither of
  /// rotation nor of reflection.
  ///
  /// It is laid out as fractions of the box, so that every box shows the same particle, of radius
  /// 0.4 box lengths (beyond, projections have less than 1e-4 of their root mean square); each
  /// component is then smoothed by one voxel, so that even a small box samples it finely enough.
  public static func ribosomeLike(boxSize: Int) -> GaussianPhantom {
    let box = Double(boxSize)
    let smoothing = 1.0
    let components = parts.map { part in
      let (along, across) = (part.along * box, part.across * box)
      return Component(
        mass: part.mass, centre: part.centre * box, direction: part.direction,
        along: (along * along + smoothing).squareRoot(),
        across: (across * across + smoothing).squareRoot())
    }
    return GaussianPhantom(boxSize: boxSize, components: components)
  }

  /// Positions and standard deviations in box lengths; the mass is relative.
  private struct Part {
    let mass: Double
    let centre: SIMD3<Double>
    let direction: SIMD3<Double>
    let along: Double
    let across: Double

    init(
      _ mass: Double, _ centre: SIMD3<Double>, _ direction: SIMD3<Double>, _ along: Double,
      _ across: Double
    ) {
      (self.mass, self.centre, self.direction) = (mass, centre, direction)
      (self.along, self.across) = (along, across)
    }
  }

  private static let parts: [Part] = [
    // The large subunit: a body of overlapping lobes.
    Part(14, [-0.070, 0.000, -0.020], [0, 0.3, 1], 0.070, 0.060),
    Part(8, [-0.120, 0.080, 0.040], [1, 0, 0.4], 0.050, 0.042),
    Part(7, [-0.110, -0.090, 0.030], [0.2, 1, 0], 0.052, 0.040),
    Part(6, [-0.150, 0.010, -0.100], [1, 0.2, 0], 0.045, 0.038),
    Part(5, [-0.050, 0.090, -0.100], [0, 1, 0.5], 0.046, 0.034),
    Part(5, [-0.060, -0.080, -0.110], [0.3, -0.5, 1], 0.044, 0.032),
    // Its central protuberance, the two stalks and the exit side.
    Part(3.5, [-0.080, 0.010, 0.170], [0, 0.2, 1], 0.034, 0.026),
    Part(1.2, [-0.090, 0.050, 0.220], [0, 1, 0.6], 0.026, 0.016),
    Part(1.8, [-0.070, 0.190, 0.110], [0, 1, 0.5], 0.038, 0.018),
    Part(1.3, [-0.050, 0.265, 0.140], [-0.3, 1, 0.2], 0.024, 0.016),
    Part(1.8, [-0.060, -0.190, 0.060], [0.2, -1, 0.6], 0.040, 0.016),
    Part(1.1, [-0.040, -0.250, 0.115], [0.5, -1, 0.9], 0.026, 0.014),
    Part(2.0, [-0.230, 0.050, -0.050], [0.3, 1, 0], 0.034, 0.020),
    Part(1.6, [-0.200, -0.080, -0.100], [0, 1, -0.8], 0.032, 0.018),
    Part(1.2, [-0.215, -0.010, 0.090], [0.2, 0.4, 1], 0.030, 0.015),
    // The small subunit: body, platform, shoulder, head.
    Part(6, [0.140, 0.010, -0.080], [0, 0.2, 1], 0.062, 0.036),
    Part(4, [0.120, 0.080, 0.000], [0.3, 1, 0.2], 0.044, 0.030),
    Part(3.5, [0.160, -0.070, -0.010], [0, 1, 0.4], 0.042, 0.028),
    Part(5, [0.130, 0.000, 0.130], [0.4, 1, 0], 0.048, 0.036),
    Part(2, [0.120, 0.040, 0.190], [1, 0.5, 0.2], 0.032, 0.022),
    // Its beak, spur, foot and the helices that show on its surface.
    Part(1.5, [0.150, -0.130, 0.140], [0.3, -1, 0.1], 0.036, 0.016),
    Part(1.0, [0.190, 0.060, -0.220], [0.2, 0.3, -1], 0.034, 0.014),
    Part(1.8, [0.120, -0.030, -0.190], [0, -0.6, 1], 0.036, 0.020),
    Part(1.1, [0.215, 0.020, -0.040], [0, 0.4, 1], 0.044, 0.013),
    Part(0.9, [0.205, -0.090, -0.080], [0.2, 0.3, 1], 0.038, 0.013),
    Part(0.9, [0.200, 0.090, 0.060], [0.1, -1, 0.7], 0.034, 0.013),
    // The bridges across the cleft, and the space between the subunits occupied by one tRNA.
    Part(0.9, [0.030, 0.060, -0.030], [1, 0.1, 0], 0.030, 0.014),
    Part(0.8, [0.035, -0.060, -0.080], [1, -0.2, 0.3], 0.028, 0.013),
    Part(1.4, [0.040, 0.000, 0.060], [0.4, 0.3, 1], 0.036, 0.016),
    Part(0.9, [0.035, -0.040, 0.110], [1, -0.8, 0], 0.030, 0.014),
  ]
}
