/// A volume by the spherical harmonics of its Fourier transform, without degree 0: their even degrees are its real
/// part, the odd ones its imaginary part.
package struct SimulatedVolume: Sendable {
  /// L.
  package let degree: Int
  /// d radial coordinates of each harmonic.
  package let rank: Int
  /// [(l^2 + l + m) d + j].
  package let coefficients: [Float]
  let harmonics: SphericalHarmonics

  package init(coefficients: [Float], degree: Int, rank: Int) {
    (self.coefficients, self.degree, self.rank) = (coefficients, degree, rank)
    harmonics = SphericalHarmonics(degree: degree)
  }
}
