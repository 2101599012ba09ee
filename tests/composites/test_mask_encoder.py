def test_a_teacher_does_not_predict(data_of: Callable[..., DataSpec]) -> None:
    model = create_model("is_net_teacher", overrides={"encoder.stages": [[4, 4, 8], ["4F", 4, 8]]})
    with pytest.raises(ValueError, match="MaskEncoder is shown masks and not images, so it cannot predict"):
        Predictor(model, data_of(model, (16, 16)))
