/// What there is to say of a run's images before they are compared.
public struct SurveyFindings: Sendable, Equatable {
  /// Of what lies under and around the particles.
  public let background: BackgroundFindings
  /// How far the particle's signal reaches.
  public internal(set) var extent: ParticleExtent
  /// Whether there is no noise outside the particles.
  public let isMasked: Bool
  /// How much stronger the noise is where it is strongest than where it is weakest; 1 for white noise.
  public let colour: Double
  /// The share of the noise that has passed the CTF.
  public let passedShare: Double
  /// Whether phases look flipped where the STAR file says that they are not, or the other way round.
  public let hasOtherPhases: Bool
}
