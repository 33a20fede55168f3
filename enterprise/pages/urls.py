"""Addresses of organisations' pages."""

from django.urls import URLPattern, path

from enterprise.pages import closing, contracts, joining, keys, members, overview, use, wallet

urlpatterns: list[URLPattern] = [
    path("organisation/", overview.overview, name="organisation"),
    path("organisation/new/", joining.organisation_new, name="organisation_new"),
    path("organisation/switch/", joining.organisation_switch, name="organisation_switch"),
    path("organisation/close/", closing.organisation_end, name="organisation_end"),
    path("organisation/use/", use.use, name="organisation_use"),
    path("organisation/use/shown.csv", use.use_shown, name="organisation_use_shown"),
    path("organisation/use/operations.csv", use.use_operations, name="organisation_use_operations"),
    path("organisation/keys/", keys.keys, name="organisation_keys"),
    path("organisation/keys/<uuid:credential_id>/rotate/", keys.key_rotate, name="organisation_key_rotate"),
    path("organisation/keys/<uuid:credential_id>/revoke/", keys.key_revoke, name="organisation_key_revoke"),
    path("organisation/credits/", wallet.credits_page, name="organisation_credits"),
    path("organisation/credits/cap/", wallet.credits_cap, name="organisation_credits_cap"),
    path("organisation/contract/", contracts.contract, name="organisation_contract"),
    path("organisation/members/", members.members, name="organisation_members"),
    path(
        "organisation/members/<int:membership_id>/role/", members.member_role, name="organisation_member_role"
    ),
    path("organisation/members/<int:membership_id>/end/", members.member_end, name="organisation_member_end"),
    path(
        "organisation/members/<int:membership_id>/transfer/",
        members.member_transfer,
        name="organisation_member_transfer",
    ),
    path(
        "organisation/invitations/<uuid:invitation_id>/again/",
        members.invitation_again,
        name="organisation_invitation_again",
    ),
    path(
        "organisation/invitations/<uuid:invitation_id>/end/",
        members.invitation_end,
        name="organisation_invitation_end",
    ),
    path("organisation/invitation/<str:token>/", joining.invitation, name="invitation"),
]
